"""Candidate pairs of training records, decided beside each other as a resolution decides them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xmer_spark.clustering.competition import decide, learnt_slack
from xmer_spark.names import direction_name
from xmer_spark.resolver.model import Slack
from xmer_spark.scoring.scorer import PairScorer
from xmer_spark.steps.train.pairs import Candidates


@dataclass(frozen=True)
class Rivals:
    """The candidate pairs of two sources that are weighed, their probabilities and kinds (p)."""

    pairs: Candidates
    probability: np.ndarray
    kind: np.ndarray
    once: tuple[bool, bool]

    @property
    def name(self) -> str:
        return direction_name(*self.pairs.sources)

    def slack(self) -> float:
        """How probable it is to have no partner, learnt from the pairs themselves."""
        return learnt_slack(self.pairs.i, self.pairs.j, self.probability, *self.once)

    def decided(self, slack: Slack) -> np.ndarray:
        """The probability of each pair beside its rivals: (p)."""
        own = slack.get(self.name, 0.0)
        return decide(self.pairs.i, self.pairs.j, self.probability, *self.once, own)


def rivals(
    found: Sequence[Candidates], scorer: PairScorer, alone: frozenset[str], least: float
) -> list[Rivals]:
    """The pairs of ``found``, scored, for each two sources."""
    result = []
    for pairs in found:
        evidence = pairs.evidence()
        probability = scorer.probability(evidence)
        kept = np.flatnonzero(probability >= least)
        once = (pairs.sources[0] in alone, pairs.sources[1] in alone)
        result.append(Rivals(pairs.where(kept), probability[kept], evidence.kind[kept], once))
    return result


def learnt(found: Sequence[Rivals]) -> dict[str, float]:
    """The slack of every two sources."""
    return {each.name: each.slack() for each in found if len(each.pairs)}
