"""Fits a resolver so that its probabilities do not flatter, with labels or with none.

With labels, the space is fitted on the training entities. The pair scorer learns from pairs that such a space
has not seen: training entities are cross-fitted, a fold at a time, through the same blocking. Calibration,
slack, correction, threshold and the validation score come from validation entities, and last the space is
fitted again on both; scorer, calibration, slack, correction and threshold stay.

Without labels, contents of one modality are compared as they are, those of two where records hold both. The
scorer learns from all candidate pairs what matches look like, and its word is not checked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.names import direction_name, metric_name
from xmer_spark.resolver.encoder import Encoder
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.described import contents, fields
from xmer_spark.steps.train import folds, learning, planning, unlabelled, validation
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.pairs import candidates
from xmer_spark.steps.train.planning import Plans
from xmer_spark.steps.train.seen import learnt_from

if TYPE_CHECKING:
    from xmer_spark.config import Config

log = logging.getLogger(__name__)

_CURVES = ("correlations_", "losses_", "validation_losses_")


@dataclass(frozen=True)
class Trained:
    """A fitted resolver with what was measured on the way.

    ``judged`` is the resolver before it was fitted again: it has not seen the validation records, and
    ``score`` is what it reaches on them; None where there are no labels to tell.
    """

    resolver: Resolver
    judged: Resolver
    score: float | None
    metrics: dict[str, float]
    curves: dict[str, list[float]]


def train(config: Config, data: TrainingData) -> Trained:
    """A resolver of these records; with labels it needs validation records, too."""
    comparer = Comparer(_fields(config, data), contents(config)).fit(data.population)
    return with_labels(config, data, comparer) if data.labelled else without_labels(config, data, comparer)


def with_labels(config: Config, data: TrainingData, comparer: Comparer) -> Trained:
    """What places records comes first, then their pairs, what tells them apart, and what is made of that."""
    learnt = {m: table.where(~table.validation) for m, table in data.items.items()}
    fitted, seen = learnt_from(config, data, comparer, learnt)
    parts = folds.folds(config, data, comparer)
    final, after = learnt_from(config, data, comparer, data.items)

    plans = planning.decide_all(config, seen, data)
    blockers, lasting = planning.blockers(plans, seen), planning.lasting(planning.blockers(plans, after))
    found = list(candidates(seen, blockers, data.sources))
    samples = folds.samples(config, data, plans, parts)

    scorer = learning.taught(config, samples, seen.comparer.names)
    judged = Resolver(fitted, seen.comparer, scorer, blockers, _documents(plans))
    metrics = validation.calibrate(config, judged, seen.known, found, data) | _planned(plans)
    precision = validation.held_out_precision(config, judged, seen, found, data.sources)
    score = float(np.mean(list(precision.values())))
    metrics |= {
        metric_name("validation_map", direction_name(*names)): value for names, value in precision.items()
    }
    resolver = replace(judged, encoder=final, comparer=after.comparer, blockers=lasting)
    return Trained(resolver, judged, score, metrics | {"validation_score": score}, _curves(final))


def without_labels(config: Config, data: TrainingData, comparer: Comparer) -> Trained:
    """Fit on all records: what matches look like is learnt from the candidate pairs themselves."""
    fitted, seen = learnt_from(config, data, comparer, data.items)
    plans = planning.decide_all(config, seen, data)
    blockers = planning.blockers(plans, seen)
    found = list(candidates(seen, blockers, data.sources))
    scorer, slack = unlabelled.scorer_and_slack(config, data, found, seen.comparer.names)
    lasting = planning.lasting(blockers)
    resolver = Resolver(fitted, seen.comparer, scorer, lasting, _documents(plans), slack)
    return Trained(resolver, resolver, None, _planned(plans), _curves(fitted))


def _fields(config: Config, data: TrainingData) -> dict[str, str]:
    """The text and scalar fields that any of the records has."""
    present = {name for records in data.population for name in records.columns}
    return {name: type_ for name, type_ in fields(config).items() if name in present}


def _documents(plans: Plans) -> dict[str, dict[str, object]]:
    return {direction_name(*pair): plan.document() for pair, plan in plans.items()}


def _planned(plans: Plans) -> dict[str, float]:
    found: dict[str, float] = {}
    for pair, plan in plans.items():
        name = direction_name(*pair)
        if plan.pairs is not None:
            found[metric_name("planned_pairs", name)] = plan.pairs
        if plan.recall is not None:
            found[metric_name("planned_recall", name)] = plan.recall
    return found


def _curves(fitted: Encoder | None) -> dict[str, list[float]]:
    """What the space tells of its own fitting, a value per step."""
    return dict(_told(fitted.space.state(), "space")) if fitted is not None else {}


def _told(state: Mapping[str, object], about: str) -> Iterator[tuple[str, list[float]]]:
    """The curves of a space, and those of the spaces that it is made of, by their names."""
    for name, value in state.items():
        if name in _CURVES:
            yield f"{about}_{name.rstrip('_')}", np.asarray(value, dtype=float).ravel().tolist()
        elif isinstance(value, Mapping):
            yield from _told(value, about if name.endswith("_") else f"{about}_{name}")
