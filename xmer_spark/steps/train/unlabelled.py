"""A scorer of pairs whose truth nobody knows: taught by what the pairs themselves give away.

The model of Fellegi and Sunter comes first. Where sources name each thing once, rivals are then weighed
against each other, which knows more than any pair by itself does; what is decided so teaches boosted trees,
which weigh the measures of an attribute apart. Two sources of which neither names each thing once have no
rivals, and nothing bounds how many of their pairs match: they are scored by what the others have taught.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.names import direction_name
from xmer_spark.scoring.scorer import PairScorer
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.deciding import Rivals, learnt, rivals
from xmer_spark.steps.train.pairs import Candidates
from xmer_spark.steps.train.samples import NEGATIVES, Sample, thinned, together

if TYPE_CHECKING:
    from xmer_spark.config import Config

log = logging.getLogger(__name__)

#: Decided matches from which on trees can learn from them.
_ENOUGH = 50


def scorer_and_slack(
    config: Config, data: TrainingData, found: Sequence[Candidates], names: Sequence[str]
) -> tuple[PairScorer, dict[str, float]]:
    """A scorer fitted to all candidate pairs, and the slack of the competition between them."""
    if not sum(map(len, found)):
        raise XmerError("train: no two records are candidates for a match; see [blocking]")
    # Probabilities that no label has put right say little where they are small, and nothing is learnt there.
    alone, least = data.sources.alone, config.scoring.review_threshold
    settings = config.scoring
    first = "fellegi_sunter" if settings.method == "auto" else settings.method
    scorer = PairScorer(first, settings.parameters.get(first))
    telling = [pairs for pairs in found if not alone.isdisjoint(pairs.sources)] or list(found)
    _warn_of_unbounded(telling, alone)
    kinds = {int(kind) for pairs in found for kind in np.unique(pairs.kinds())}
    unknown = [np.zeros(len(pairs), dtype=bool) for pairs in telling]
    part = together(list(_samples(telling, unknown, config.seed)))
    possible = sum(_possible_matches(pairs, alone) for pairs in telling)
    most = min(1.0, possible / float(part.weight.sum()))
    scorer.fit(part.evidence, names, weight=part.weight, most=most, kinds=kinds)
    weighed = rivals(telling, scorer, alone, least)
    slack = learnt(weighed)
    believed = [_believed(pairs, each, slack) for pairs, each in zip(telling, weighed, strict=True)]
    matches = sum(int(each.sum()) for each in believed)
    if settings.method != "auto" or matches < _ENOUGH or not any(sum(each.once) for each in weighed):
        return scorer, slack
    log.info("scoring: %d matches that competition has decided teach boosted trees", matches)
    part = together(list(_samples(telling, believed, config.seed)))
    taught = PairScorer("boosted", settings.parameters.get("boosted"))
    taught.fit(part.evidence, names, part.truth, part.weight, kinds=kinds)
    return taught, learnt(rivals(telling, taught, alone, least))


def _warn_of_unbounded(telling: Sequence[Candidates], alone: frozenset[str]) -> None:
    """Tell of which two sources nothing bounds how many pairs match: the alike may pass for the same."""
    unbounded = [p.sources for p in telling if len(set(p.sources)) == 2 and alone.isdisjoint(p.sources)]
    if unbounded:
        log.warning(
            "train: no labels, and neither source names each thing once, so that what is alike may be taken "
            "for the same: %s. Set one_per_entity = true of a source that does, or give some known matches",
            ", ".join(direction_name(*pair) for pair in unbounded),
        )


def _believed(pairs: Candidates, weighed: Rivals, slack: dict[str, float]) -> np.ndarray:
    """Which of all candidate pairs (p) competition has decided to be matches."""
    decided = weighed.decided(slack) >= 0.5
    width = len(pairs.right)
    matches = (weighed.pairs.i.astype(np.int64) * width + weighed.pairs.j)[decided]
    return np.isin(pairs.i.astype(np.int64) * width + pairs.j, matches)


def _samples(found: Sequence[Candidates], truth: Sequence[np.ndarray], seed: int) -> Iterator[Sample]:
    """All believed matches of every two sources and a bounded sample of the rest, weighted."""
    most = max(NEGATIVES // max(len(found), 1), 1)
    for pairs, known in zip(found, truth, strict=True):
        rows, share = thinned(known, most, seed)
        weight = np.where(known[rows], 1.0, 1 / share)
        yield Sample(pairs.where(rows).evidence(), known[rows], weight)


def _possible_matches(pairs: Candidates, alone: frozenset[str]) -> int:
    """How many of the candidate pairs of two sources can be matches, as each names a thing once or not."""
    a, b = pairs.sources
    most = len(pairs)
    if a in alone:
        most = min(most, len(pairs.right))
    if b in alone:
        most = min(most, len(pairs.left))
    return most
