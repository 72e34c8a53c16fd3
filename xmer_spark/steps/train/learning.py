"""The pair scorer that known matches teach: the one configured, or the one that promises least wrongly."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.scoring.scorer import PairScorer
from xmer_spark.steps.train.samples import Sample, together

if TYPE_CHECKING:
    from xmer_spark.config import Config

log = logging.getLogger(__name__)

#: What learns from known matches, of which there have to be so many among the candidates, and what serves
#: where there are fewer.
LEARNT, ENOUGH, FEW = ("boosted", "logistic"), 100, "fellegi_sunter"
#: Log-odds of what a scorer is as sure of as can be.
_SURE = 15.0


def taught(config: Config, parts: Sequence[Sample], names: Sequence[str]) -> PairScorer:
    """A scorer that has learnt from the samples of every fold; ``names`` are those of the measures."""
    if not parts:
        raise XmerError("train: no two sources have candidate pairs; see [blocking] and the records' splits")
    return _fitted(config, chosen(config, parts, names), together(parts), names)


def chosen(config: Config, parts: Sequence[Sample], names: Sequence[str]) -> str:
    """The scorer that is configured, or the one that promises least wrongly.

    ``auto`` takes the one which, fitted on the other folds, has the least log loss on the last. With few
    known matches it is the one that learns from the rest, too.
    """
    if config.scoring.method != "auto":
        return config.scoring.method
    matches = sum(int(part.truth.sum()) for part in parts)
    if matches < ENOUGH or len(parts) < 2 or not parts[-1].truth.any():
        log.info("scoring: %s, for only %d matches are known among the candidates", FEW, matches)
        return FEW
    rest = together(parts[:-1])
    losses = {m: _loss(_fitted(config, m, rest, names), parts[-1]) for m in LEARNT}
    method = min(losses, key=lambda m: (losses[m], m))
    log.info("scoring: %s, of %s", method, ", ".join(f"{m} with log loss {x:.5f}" for m, x in losses.items()))
    return method


def _fitted(config: Config, method: str, sample: Sample, names: Sequence[str]) -> PairScorer:
    scorer = PairScorer(method, config.scoring.parameters.get(method))
    return scorer.fit(sample.evidence, names, sample.truth, sample.weight)


def _loss(scorer: PairScorer, sample: Sample) -> float:
    """The weighted log loss of what it says of pairs; of kinds that it does not know it says 0."""
    odds = np.clip(scorer.log_odds(sample.evidence), -_SURE, _SURE)
    return float(np.average(np.logaddexp(0, odds) - sample.truth * odds, weights=sample.weight))
