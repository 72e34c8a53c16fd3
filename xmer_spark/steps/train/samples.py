"""Samples of candidate pairs by which a scorer learns: bounded, and weighted as what they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xmer_spark.numerics.evidence import Evidence, joined
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.items import Sources
from xmer_spark.steps.train.pairs import Candidates

#: Non-matching pairs that are drawn at a time, over all pairs of sources; each stands for several.
NEGATIVES = 300_000


@dataclass(frozen=True)
class Sample:
    """Candidate pairs (p) with their evidence and truth, and how many pairs each of them stands for."""

    evidence: Evidence
    truth: np.ndarray
    weight: np.ndarray


def together(samples: Sequence[Sample]) -> Sample:
    """Several samples as one."""
    return Sample(
        joined([sample.evidence for sample in samples]),
        np.concatenate([sample.truth for sample in samples]),
        np.concatenate([sample.weight for sample in samples]),
    )


def sample(pairs: Candidates, truth: np.ndarray, most: int, seed: int, data: TrainingData) -> Sample:
    """All matches of some pairs and at most so many of the rest, weighted."""
    rows, share = thinned(truth, most, seed)
    pairs, truth = pairs.where(rows), truth[rows]
    return Sample(pairs.evidence(), truth, weights(pairs, truth, share, data.sources))


def thinned(truth: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, float]:
    """All matches and at most so many of the rest, as rows, and the share of the rest that it is."""
    others = np.flatnonzero(~truth)
    share = min(1.0, most / max(len(others), 1))
    if share < 1:
        others = np.sort(np.random.default_rng(seed).permutation(others)[:most])
    return np.concatenate([np.flatnonzero(truth), others]), share


def weights(pairs: Candidates, truth: np.ndarray, share: float, sources: Sources) -> np.ndarray:
    """How many pairs of the population each of these stands for: (p).

    A record has about as many matches in a large population as in a sample, but the more non-matches: they
    grow with the number of records that it is compared with.
    """
    growth = sources.growth(pairs.sources[1], len(pairs.right))
    return np.where(truth, 1.0, growth / share)
