"""Champion and challenger on the same validation records: which of them is to resolve.

A record of which only one of them has a content that both could read is left out, for it may be easy or hard.
Either is represented as it was before it was fitted on validation records too, so neither has seen what it is
judged by. A direction between two sources that one of them cannot rank, for want of a modality, counts as 0.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.records import EMBEDDING
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.train import encoder
from xmer_spark.steps.train.data import TrainingData, load
from xmer_spark.steps.train.items import Known
from xmer_spark.steps.train.pairs import candidates
from xmer_spark.steps.train.seen import Seen
from xmer_spark.steps.train.validation import average_precision

if TYPE_CHECKING:
    from xmer_spark.config import Config
    from xmer_spark.resolver.registry import Registry
    from xmer_spark.steps.champion import Champion
    from xmer_spark.store.runs import Job

log = logging.getLogger(__name__)

#: Where a saved resolver keeps itself as it was before it had seen the validation records.
JUDGED = "judged"


@dataclass(frozen=True)
class Verdict:
    """Mean average precision of both on the same records; the champion's is None where there was none."""

    challenger: float | None
    champion: float | None

    @property
    def promotes(self) -> bool:
        return self.challenger is None or self.champion is None or self.challenger >= self.champion


def judge(job: Job, registry: Registry, version: str, champion: Champion | None) -> Verdict:
    """Compare a registered version with the champion.

    Without another one, or without known truth, there is nothing to compare.
    """
    if champion is None or champion.version == version:
        return Verdict(None, None)
    if not (champion.folder / JUDGED).is_dir():
        log.warning("champion %s cannot be judged, for it holds no %s resolver", champion.version, JUDGED)
        return Verdict(None, None)
    resolvers = [Resolver.load(folder / JUDGED) for folder in (registry.download(version), champion.folder)]
    known = [load(job, _pairs(resolver.extractors)) for resolver in resolvers]
    if not known[0].labelled:
        log.warning("version %s replaces champion %s unjudged: no truth is known", version, champion.version)
        return Verdict(None, None)
    verdict = compare(job.context.config, resolvers, known)
    if not verdict.promotes:
        log.warning(
            "version %s (%.4f on the validation records) does not replace champion %s (%.4f on the same)",
            version, verdict.challenger, champion.version, verdict.champion,
        )  # fmt: skip
    return verdict


def compare(config: Config, resolvers: Sequence[Resolver], data: Sequence[TrainingData]) -> Verdict:
    """The scores of challenger and champion on the validation records.

    ``data`` has the records of either, with the vectors of its extractors.
    """
    placed = [
        encoder.placed(resolver.encoder, given.known, given.items, given.sources)
        for resolver, given in zip(resolvers, data, strict=True)
    ]
    rows = {
        name: known.validation & _as_complete(known, placed[1][name]) for name, known in placed[0].items()
    }
    found = []
    for resolver, given, known in zip(resolvers, data, placed, strict=True):
        seen = Seen(known, resolver.comparer).where(rows)
        within = candidates(seen, resolver.blockers, given.sources.themselves())
        found.append(average_precision(config, resolver, seen, within, given.sources))
    directions = sorted(set(found[0]) | set(found[1]))
    if not directions:
        raise XmerError("train: there is no validation record by which champion and challenger can be judged")
    scores = [float(np.mean([each.get(name, 0.0) for name in directions])) for each in found]
    return Verdict(scores[0], scores[1])


def _as_complete(one: Known, other: Known) -> np.ndarray:
    """Whether both have the same contents of a record (n), as far as both know such contents."""
    found = np.ones(len(one), dtype=bool)
    for column in set(one.records.columns) & set(other.records.columns):
        if column.endswith(EMBEDDING):
            found &= one.records.present(column) == other.records.present(column)
    return found


def _pairs(extractors: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    return [(modality, identity) for modality, each in extractors.items() for identity in each]
