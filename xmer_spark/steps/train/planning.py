"""Which blockers serve each pair of sources: as configured, or the cheapest that are seen to keep enough."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.blocking import records as blocking
from xmer_spark.blocking.base import Side
from xmer_spark.blocking.records import planner
from xmer_spark.blocking.records.base import RecordBlocker, text_columns
from xmer_spark.blocking.records.vocabulary import TokenBlocker
from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.errors import ConfigError
from xmer_spark.names import direction_name
from xmer_spark.numerics.compared import equal_pairs
from xmer_spark.numerics.records import CODE
from xmer_spark.resolver.model import Blockers
from xmer_spark.steps.train.items import Known

if TYPE_CHECKING:
    from xmer_spark.config import Config
    from xmer_spark.steps.train.data import TrainingData
    from xmer_spark.steps.train.seen import Seen

log = logging.getLogger(__name__)

#: Records per source that the planner sees.
_PLANNED = 2_000
#: What serves where no label tells how much a blocker keeps.
_LABELLESS = "tokens"
#: Records of a source for each partner that one of the other is compared with, at least.
_CROWD = 20
#: What serves where nothing tells how much a blocker keeps.
_USUAL = ("tokens", "nearest_codes")
#: What keeps pairs that are certain because they are equal, and tells nothing of those that are not; a scorer
#: that learns without labels would see matches only.
_EQUAL = "rules"


@dataclass(frozen=True)
class Plan:
    """Blockers in their order by method and parameters, with what was predicted where the planner chose."""

    blockers: list[tuple[str, dict[str, Any]]]
    pairs: float | None = None
    recall: float | None = None
    reason: str = field(default="as configured")

    def build(self) -> list[Any]:
        return [blocking.REGISTRY.build(method, parameters) for method, parameters in self.blockers]

    def document(self) -> dict[str, Any]:
        return asdict(self)


#: The plan of every pair of sources.
Plans = Mapping[tuple[str, str], Plan]


def decide_all(config: Config, seen: Seen, data: TrainingData) -> dict[tuple[str, str], Plan]:
    """The plan of every pair of sources; what the configuration leaves open the planner chooses.

    Sources that have nothing to be compared by have none, and a warning says so.

    It judges by true pairs of validation records, which the space has not seen; without labels by pairs that
    the evidence itself holds for certain.
    """
    plans = {}
    for pair in data.sources.pairs:
        a, b = (seen.known[name].records.columns for name in pair)
        if not seen.comparer.comparable(list(a), list(b)):
            log.warning(
                "sources %s and %s are not compared: they have no field in common, and nothing tells how "
                "their contents belong together; give fields one name, or label some records",
                *pair,
            )
            continue
        plans[pair] = configured(config, pair) or _planned(config, seen, data, pair)
        log.info("blocking: %s: %s", direction_name(*pair), plans[pair].reason)
    if not plans:
        raise ConfigError(
            "blocking: no two sources have anything that can be compared; give fields that mean the same one "
            "name, or label some records"
        )
    return plans


def blockers(plans: Plans, seen: Seen) -> Blockers:
    """The blockers of every plan, fitted to these records."""
    return {
        (a, b): [blocker.fit(seen.tables[a], seen.tables[b]) for blocker in plan.build()]
        for (a, b), plan in plans.items()
    }


def lasting(fitted: Blockers) -> Blockers:
    """The blockers for all records: those that count tokens are to count those of all, at last."""
    return {
        pair: [type(b)(**b.parameters()) if isinstance(b, TokenBlocker) else b for b in blockers]
        for pair, blockers in fitted.items()
    }


def configured(config: Config, pair: tuple[str, str]) -> Plan | None:
    """The blockers that ``[[blocking.use]]`` names for two sources, or for any; None where it names none."""
    name = direction_name(*pair)
    chosen = [each for each in config.blocking.use if each.pair in (None, name)]
    return Plan([(each.method, dict(each.parameters)) for each in chosen]) if chosen else None


def _planned(config: Config, seen: Seen, data: TrainingData, pair: tuple[str, str]) -> Plan:
    a, b = pair
    sample = _sample(config, seen, data, pair)
    texts = text_columns(sample.left.table)
    options = {
        name: blocker
        for name, blocker in planner.options(sample.left, sample.right).items()
        if _can_compare(seen.comparer, blocker, texts) and (data.labelled or name.split()[0] != _EQUAL)
    }
    if not options:
        raise ConfigError(
            f"blocking: no blocker suits sources {a} and {b}; name one in [[blocking.use]], or leave the "
            "pair out by blocking.pairs"
        )
    settings = config.blocking
    if not data.labelled and (plan := _without_labels(options, sample, settings.max_pairs)) is not None:
        return plan
    choice = planner.choose(options, sample, settings.target_recall, settings.max_pairs)
    names = choice.names or _usual(choice, settings.max_pairs)
    built = [(name.split()[0], options[name].parameters()) for name in names]
    predictions = [choice.predictions[name] for name in names]
    recall = float(np.logical_or.reduce([p.kept for p in predictions]).mean()) if choice.names else None
    return Plan(built, sum(p.pairs for p in predictions), recall, choice.reason)


def _without_labels(options: Mapping[str, Any], sample: planner.Sample, max_pairs: float) -> Plan | None:
    """Without labels rare tokens with their defaults, if the records have any and it is not too many pairs.

    Pairs that are certain are easy ones, and say little of how many of the others a blocker keeps. Within
    one source they are all there is to go by: how many partners a record has there, nobody knows.
    """
    if sample.right is None or not any(blocking.method_name(each) == _LABELLESS for each in options.values()):
        return None
    # Of few records even the unlike are soon among the best, and matches drown among them.
    usual, fewer = blocking.REGISTRY.build(_LABELLESS), min(sample.left_size, sample.right_size) // _CROWD
    parameters = {"top": max(fewer, 5)} if fewer < usual.top else {}
    blocker = blocking.REGISTRY.build(_LABELLESS, parameters)
    true = sample.true_pairs()
    found = planner.predict(blocker, sample, true)
    if found.pairs > max_pairs:
        return None
    reason = (
        f"{_LABELLESS}, for there are no labels; {found.recall:.3f} of {len(true):,} certain pairs are kept"
    )
    return Plan([(_LABELLESS, parameters)], found.pairs, float(found.recall) if len(true) else None, reason)


def _can_compare(comparer: Comparer, blocker: RecordBlocker, texts: Sequence[str]) -> bool:
    """Whether the contents by whose codes a blocker brings records together are compared with each other."""
    sides: tuple[Side, Side] = ("left", "right")
    coded = (
        [column.removesuffix(CODE) for column in blocker.columns(side, texts) if column.endswith(CODE)]
        for side in sides
    )
    return all({(f, g), (g, f)} & set(comparer.content_pairs) for f, g in zip(*coded, strict=True))


def _usual(choice: planner.Choice, most: float) -> list[str]:
    """Where nothing tells what any blocker keeps: rare tokens, or the nearest codes, as many as may be."""
    found = choice.predictions
    for method in _USUAL:
        names = [name for name in found if name.split()[0] == method and found[name].pairs <= most]
        if names:
            return [max(names, key=lambda name: (found[name].pairs, name))]
    return [min(found, key=lambda name: (found[name].pairs, name))]


def _sample(config: Config, seen: Seen, data: TrainingData, pair: tuple[str, str]) -> planner.Sample:
    """Records of both sources, and the true pairs among them that the space has not seen."""
    a, b = pair
    left, right = seen.known[a], seen.known[b]
    rows = _drawn(left, config.seed), _drawn(right, config.seed)
    sides = [seen.tables[name].take(chosen) for name, chosen in zip(pair, rows, strict=True)]
    sizes = [data.sources.sizes.get(name, len(seen.known[name])) for name in pair]
    truth = together = None
    if data.labelled:
        i, j = equal_pairs(left.entity[rows[0]], right.entity[rows[1]])
        if a == b:
            i, j = i[i < j], j[i < j]
        known = left.validation[rows[0]][i] | right.validation[rows[1]][j]
        truth, together = (i[known], j[known]), (i, j)
    return planner.Sample(sides[0], None if a == b else sides[1], sizes[0], sizes[1], truth, together)


def _drawn(known: Known, seed: int) -> np.ndarray:
    """Rows of some records; the same entities are drawn in every source, so that pairs stay whole."""
    if len(known) <= _PLANNED:
        return np.arange(len(known))
    mixed = (known.entity.astype(np.uint64) + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
    return np.sort(np.argsort(mixed, kind="stable")[:_PLANNED])
