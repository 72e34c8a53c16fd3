"""Which blocker serves each pair of modalities: as configured, or the cheapest that validation supports."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark import blocking
from xmer_spark.blocking.planner import Population, choose
from xmer_spark.errors import XmerError
from xmer_spark.names import modalities_of, pair_name
from xmer_spark.steps.train.items import Sources, true_pairs

if TYPE_CHECKING:
    from xmer_spark.config import Blocking, Config
    from xmer_spark.steps.train.encoder import Encoded

log = logging.getLogger(__name__)

#: Items per modality whose codes the planner sees.
_PLANNED = 700
#: The method that leaves the choice to the planner.
AUTO = "auto"


@dataclass(frozen=True)
class Plan:
    """A blocker by its name and parameters, with what was predicted of it where the planner chose it."""

    method: str
    parameters: dict[str, Any]
    pairs: float | None = None
    recall: float | None = None

    @property
    def is_open(self) -> bool:
        return self.method == AUTO

    def build(self) -> Any:
        return blocking.REGISTRY.build(self.method, self.parameters)

    def document(self) -> dict[str, Any]:
        return asdict(self)


def decide_all(config: Config, encoded: Encoded, sources: Sources) -> dict[str, Plan]:
    """The plan of every pair of modalities; what the configuration leaves open is chosen on validation items.

    The resolver of ``encoded`` has not seen these.
    """
    settings = config.blocking
    pairs = settings.pairs or [pair_name(a, b) for a, b in combinations_with_replacement(encoded.items, 2)]
    plans = {pair: configured(settings, pair) for pair in pairs}
    for pair, plan in plans.items():
        if plan.is_open:
            a, b = modalities_of(pair)
            population = _population(encoded, sources, a, b, config.seed)
            plans[pair] = decide(pair, population, settings, sources.possible(a, b))
    return plans


def blockers(plans: Mapping[str, Plan], codes: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The blocker of every plan, fitted to the codes (n, words) of each modality."""
    return {pair: plan.build().fit(*(codes[m] for m in modalities_of(pair))) for pair, plan in plans.items()}


def configured(settings: Blocking, pair: str) -> Plan:
    """The plan that ``[blocking]`` has for a pair of modalities.

    ``[blocking.parameters.image-text]`` may name another method than the others have.
    """
    own = dict(settings.parameters.get(pair, {}))
    method = own.pop("method", settings.method)
    return Plan(method, {**settings.parameters.get(method, {}), **own})


def decide(pair: str, population: Population, settings: Blocking, possible: float) -> Plan:
    """The cheapest of ``options`` that meets the target, for ``possible`` pairs of compared sources.

    Where none meets it, the one with the highest recall within ``max_pairs``, and a warning; an XmerError
    where none stays within that.
    """
    # The planner thinks of two sides as a whole; some of their sources may not be compared.
    compared = possible / max(population.possible, 1)
    bits = population.left.shape[1] * 64
    plans = options(bits)
    built = {name: plan.build() for name, plan in plans.items()}
    for blocker in built.values():
        blocker.fit(population.left, population.right)
    most = settings.max_pairs / max(compared, 1e-12)
    choice = choose(built, population, settings.target_recall, most)
    name = choice.name
    if name is None:
        affordable = {n: p for n, p in choice.predictions.items() if p.most_pairs <= most}
        if not affordable:
            raise XmerError(f"blocking: {pair}: {choice.reason}; raise blocking.max_pairs")
        log.warning("blocking: %s: %s", pair, choice.reason)
        name = max(affordable, key=lambda n: (affordable[n].recall, -affordable[n].seconds, n))
    found = choice.predictions[name]
    log.info(
        "blocking: %s by %s: %.3g of %.3g pairs and a recall of %.3f are expected",
        pair, name, found.pairs * compared, possible, found.recall,
    )  # fmt: skip
    return replace(plans[name], pairs=found.pairs * compared, recall=found.recall)


def _population(encoded: Encoded, sources: Sources, a: str, b: str, seed: int) -> Population:
    """What the planner knows of a pair of modalities: sizes, samples, true pairs of validation items."""
    items, codes = encoded.items, encoded.codes
    i, j = true_pairs(items).get((a, b), np.empty((0, 2), np.int64)).T
    known = items[a].validation[i] & sources.compared(items[a], items[b], i, j)
    random = np.random.default_rng(seed)
    left, right = (codes[m][random.permutation(len(codes[m]))[:_PLANNED]] for m in (a, b))
    return Population(
        left,
        left if a == b else right,
        left_size=sources.size(a),
        right_size=sources.size(b),
        true_left=codes[a][i[known]],
        true_right=codes[b][j[known]],
        item_bytes=8 + codes[a][:1].nbytes + encoded.embeddings[a][:1].nbytes,
        within=a == b,
    )


def options(bits: int) -> Mapping[str, Plan]:
    """What the planner chooses from, for codes of so many bits."""
    plans = [Plan("radius", {"radius": bits // part}) for part in (16, 8, 6, 4)]
    plans += [
        Plan("bands", {"tables": tables, "bits": width, "flips": 1})
        for tables in (8, 16, 32, 64)
        for width in (10, 14, 18)
        if width < bits
    ]
    plans += [
        Plan("cells", {"cells": cells, "probes": probes})
        for cells, probes in ((64, 4), (64, 8), (256, 4), (256, 8), (256, 16))
    ]
    shares = (0.25, 0.35, 0.41, 0.44, 0.46, 0.47, 0.48, 0.49, None)
    plans += [Plan("scan", {"max_distance": share}) for share in shares]
    return {_name(plan): plan for plan in plans}


def _name(plan: Plan) -> str:
    """A plan for a person: its method and parameters.

    >>> _name(Plan("radius", {"radius": 16}))
    'radius(radius=16)'
    """
    return f"{plan.method}({', '.join(f'{key}={value}' for key, value in plan.parameters.items())})"
