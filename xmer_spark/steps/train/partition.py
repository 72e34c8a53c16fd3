"""Slack and threshold, chosen by what the partition of validation records is worth.

What is best for pairs by themselves is not best for what clustering makes of them. So the pairs of all known
records are decided and clustered as a resolution does it, for each slack and threshold that is tried, and
those are chosen under which the clusters that hold validation records serve ``clustering.goal`` best. Under
each slack, the probabilities of each kind of pairs are put right by what validation records say of them. One
slack and one threshold serve all pairs: of calibrated probabilities, the F1 of all pairs is best at one
threshold (Lipton, Elkan and Narayanaswamy 2014), and two numbers cannot flatter the validation records much.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xmer_spark import clustering
from xmer_spark.clustering.odds import corrected, log_odds, relative_to
from xmer_spark.evaluation.bcubed import bcubed_measures, bcubed_statistics
from xmer_spark.evaluation.pairs import pair_measures, pair_statistics
from xmer_spark.scoring.calibration import Correction, fit_by_kind
from xmer_spark.steps.train.deciding import Rivals
from xmer_spark.steps.train.items import Known, Sources
from xmer_spark.steps.train.samples import weights

if TYPE_CHECKING:
    from xmer_spark.config import Clustering, Config

log = logging.getLogger(__name__)

#: What is tried: log-odds of having no partner, and the least probability of a match.
SLACKS = (0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0)
THRESHOLDS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 0.99)
#: Where the search begins.
_FIRST = -2.0, 0.5


class Choice(NamedTuple):
    """A slack, its correction and a threshold, and what the partition is worth under them."""

    slack: float
    threshold: float
    worth: float
    correction: Correction


class Decided(NamedTuple):
    """The probability of each pair beside its rivals (p), put right, and what it was put right by."""

    probability: np.ndarray
    correction: Correction


def best(config: Config, known: Mapping[str, Known], sources: Sources, weighed: Sequence[Rivals]) -> Choice:
    """The slack and the threshold that serve ``clustering.goal`` best on the validation records of ``known``.

    One after the other is chosen while the other stays, until neither gains. Of equals, the threshold that
    is nearest to one half is taken, and the slack that is nearest to 0.
    """
    partitions = _Partitions(config.clustering, known, sources, weighed)
    competing = any(any(each.once) for each in weighed)

    decided = cache(partitions.decided)  # one slack serves many thresholds

    @cache
    def tried(slack: float, threshold: float) -> Choice:
        found = decided(slack)
        return Choice(slack, threshold, partitions.worth(found, threshold), found.correction)

    chosen = tried(_FIRST[0] if competing else 0.0, _FIRST[1])
    while True:
        before = chosen
        chosen = max((tried(chosen.slack, each) for each in THRESHOLDS), key=_preferred)
        if competing:
            chosen = max((tried(each, chosen.threshold) for each in SLACKS), key=_preferred)
        if chosen == before:
            break
    log.info(
        "training: partition of validation records worth %.4f at slack %g, threshold %g",
        chosen.worth, chosen.slack, chosen.threshold,
    )  # fmt: skip
    if chosen.worth < 0:
        log.warning(
            "training: no threshold puts validation records together with a precision of %g",
            config.clustering.precision,
        )
    return chosen


def _preferred(choice: Choice) -> tuple[float, float, float]:
    nearest = -abs(float(log_odds(np.array(choice.threshold))))
    return round(choice.worth, 9), nearest, choice.slack


@dataclass(frozen=True, eq=False)
class _Partitions:
    """The partitions of all known records that slacks and thresholds lead to."""

    settings: Clustering
    known: Mapping[str, Known]
    sources: Sources
    weighed: Sequence[Rivals]

    def decided(self, slack: float) -> Decided:
        """All pairs beside their rivals, put right by those that have a validation record."""
        raw = np.concatenate([each.decided({each.name: slack}) for each in self.weighed])
        kind, truth, weight, rows = self._told
        correction = fit_by_kind(log_odds(raw[rows]), kind[rows], truth[rows], weight[rows])
        return Decided(corrected(raw, kind, correction), correction)

    def worth(self, decided: Decided, threshold: float) -> float:
        """What the clusters that hold validation records are worth."""
        return self._value(self._clusters(decided.probability, threshold))

    def _clusters(self, decided: np.ndarray, threshold: float) -> np.ndarray:
        """The cluster of each known record (n)."""
        method = clustering.built(self.settings.method, self.settings.parameters, bool(self.sources.alone))
        links = np.flatnonzero(decided >= threshold)
        weight = relative_to(decided[links], np.full(len(links), threshold))
        names = list(self.known)
        sizes = [len(known) for known in self.known.values()]
        alone = [place if name in self.sources.alone else -1 for place, name in enumerate(names)]
        return method.cluster(sum(sizes), self._edges[links], weight, np.repeat(alone, sizes), self._keys)

    def _value(self, cluster: np.ndarray) -> float:
        if self.settings.goal == "bcubed_f1":
            rows = np.isin(np.unique(self._entity), self._entity[self._validation])
            statistics = bcubed_statistics(cluster, self._entity)[rows].sum(axis=0)
            return float(bcubed_measures(statistics)[2])
        rest = ~self._validation
        right, predicted, true = pair_statistics(cluster, self._entity).sum(axis=0) - pair_statistics(
            cluster[rest], self._entity[rest]
        ).sum(axis=0)
        # Where more records are resolved than are known, there is the more to be wrongly taken for a match.
        predicted = right + self._growth * (predicted - right)
        precision, recall, f1 = pair_measures(np.array([right, predicted, true])).tolist()
        if self.settings.goal == "pair_f1":
            return float(f1)
        return float(recall if precision >= self.settings.precision else precision - 1)

    @cached_property
    def _growth(self) -> float:
        return max(1.0, sum(self.sources.sizes.get(name, 0) for name in self.known) / len(self._entity))

    @cached_property
    def _edges(self) -> np.ndarray:
        """The two known records (p, 2) of each pair, by number over all sources."""
        first = dict(zip(self.known, np.cumsum([0, *map(len, self.known.values())]).tolist(), strict=False))
        ends = [
            np.stack([rivals.pairs.i + first[a], rivals.pairs.j + first[b]], axis=1)
            for rivals in self.weighed
            for a, b in [rivals.pairs.sources]
        ]
        return np.concatenate(ends).astype(np.int64)

    @cached_property
    def _told(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What corrects under any slack: of each pair (p) its kind, whether it is a match, and how many pairs
        of all records that are resolved it stands for; then the rows of those with a validation record.
        """
        kind = np.concatenate([each.kind for each in self.weighed])
        truths = [each.pairs.truth(by_class=False) for each in self.weighed]
        weight = [weights(e.pairs, t, 1.0, self.sources) for e, t in zip(self.weighed, truths, strict=True)]
        rows = np.flatnonzero(self._validation[self._edges].any(axis=1))
        return kind, np.concatenate(truths), np.concatenate(weight), rows

    @cached_property
    def _keys(self) -> np.ndarray:
        return np.concatenate([known.records.keys for known in self.known.values()])

    @cached_property
    def _entity(self) -> np.ndarray:
        return np.concatenate([known.entity for known in self.known.values()])

    @cached_property
    def _validation(self) -> np.ndarray:
        return np.concatenate([known.validation for known in self.known.values()])
