"""Probabilities of matches without labels: agreement in levels, weighed by expectation-maximisation."""

from __future__ import annotations

import logging

import numpy as np

from xmer_spark.scoring.agreement import attributes, cuts, fused, level, scale
from xmer_spark.scoring.base import EvidenceScorer
from xmer_spark.scoring.mixture import Fitted, Pairs

log = logging.getLogger(__name__)

#: The shares of candidates that are taken for matches to begin with.
STARTS = (0.01, 0.03, 0.1, 0.3)
#: How far the classes' mean log-odds must lie apart, lest the two be called inseparable.
APART = 4.0


class FellegiSunter(EvidenceScorer):
    """The model of Fellegi and Sunter 1969, by expectation-maximisation without labels (Winkler 1988).

    The measures of one attribute hang together, so they count as one, by their mean surprise among the
    candidates; where there is one attribute only, by what they look at. Given whether a pair matches, the
    levels of different attributes count as independent, and a missing one says nothing. A level's weight,
    log m - log u, never falls with agreement, so that the classes cannot be swapped. Of several starts the
    likeliest end is kept. Known truth stays. Where only so many pairs can match, no more are believed to.
    """

    def __init__(self, rounds: int = 200, sample: int = 200_000, seed: int = 0) -> None:
        self.rounds = rounds
        self.sample = sample
        self.seed = seed

    def _fit(self, evidence: np.ndarray, truth: np.ndarray, weight: np.ndarray, most: float) -> None:
        rows = np.sort(np.random.default_rng(self.seed).permutation(len(evidence))[: self.sample])
        evidence, truth, weight = evidence[rows], truth[rows], weight[rows]
        self.attributes_ = attributes(self.names_, (~np.isnan(evidence)).any(axis=0).tolist())
        self.scales_ = np.stack([scale(column, weight) for column in evidence.T])
        agreements = self._agreements(evidence)
        self.cuts_ = [cuts(agreement, weight) for agreement in agreements]
        pairs = Pairs(self._levels(agreements), truth, weight)
        total = np.sum(np.nan_to_num(agreements), axis=0)
        starts = sorted({min(share, most) for share in STARTS})
        ends = [pairs.fitted(_top(total, weight, share), self.rounds, most) for share in starts]
        best = max(ends, key=lambda end: end.likelihood)
        self.weights_, self.prior_ = best.weights, best.prior
        _warn_where_classes_meet(pairs, best)

    def _agreements(self, evidence: np.ndarray) -> list[np.ndarray]:
        return [fused(evidence, columns, self.scales_) for columns in self.attributes_]

    def _levels(self, agreements: list[np.ndarray]) -> list[np.ndarray]:
        return [level(agreement, cut) for agreement, cut in zip(agreements, self.cuts_, strict=True)]

    def _explained(self, evidence: np.ndarray) -> np.ndarray:
        """An attribute's weight, shared alike by those of its measures that there are."""
        result = np.zeros((len(evidence), len(self.names_) + 1))
        result[:, -1] = self.prior_
        present = ~np.isnan(evidence)
        levels = self._levels(self._agreements(evidence))
        for columns, weights, at in zip(self.attributes_, self.weights_, levels, strict=True):
            there = present[:, columns]
            share = np.append(weights, 0.0)[at] / np.maximum(there.sum(axis=1), 1)
            result[:, columns] = there * share[:, None]
        return result


def _top(total: np.ndarray, weight: np.ndarray, share: float) -> np.ndarray:
    """Beliefs (p,) that the most agreeing share of the pairs are matches, held with some doubt."""
    order = np.argsort(-total, kind="stable")
    first = np.empty(len(total), bool)
    first[order] = np.cumsum(weight[order]) <= share * weight.sum()
    return np.where(first, 0.9, 0.001)


def _warn_where_classes_meet(pairs: Pairs, fitted: Fitted) -> None:
    odds = pairs.log_odds(fitted.weights, fitted.prior)
    match = pairs.weight / (1 + np.exp(-odds))
    other = pairs.weight - match
    apart = odds @ match / max(match.sum(), 1e-9) - odds @ other / max(other.sum(), 1e-9)
    if apart < APART or match.sum() < 1:
        log.warning(
            "fellegi_sunter: matches and others hardly separate (their mean log-odds are %.1f apart); "
            "without labels these probabilities say little",
            apart,
        )
