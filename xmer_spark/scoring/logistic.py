"""Logistic regression on measures, their squares and products, where the truth of many pairs is known."""

from __future__ import annotations

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.logistic import fit_logistic
from xmer_spark.numerics.rows import in_blocks
from xmer_spark.scoring.base import EvidenceScorer


class Logistic(EvidenceScorer):
    """A ridge-regularised logistic regression with squares and products of the measures.

    Of more than ``products`` measures only the squares are taken, for products grow with the square of their
    number, and the time that fitting takes with the fourth power.
    A missing measure counts as the mean of those that there are, and that it is missing is a term of its own.
    What is below all pairs that were learnt from counts as the least of them: a square that serves the
    candidates would call those which blocking never proposes as probable as matches. Above what three
    quarters of the matches reach, squares and products stay as they are there, and a measure counts in
    proportion: records that taught the space resemble each other more than any that the scorer has seen, and
    a square that falls off again would hold their being alike against them.
    """

    def __init__(self, penalty: float = 1.0, products: int = 20) -> None:
        self.penalty = penalty
        self.products = products

    def _fit(self, evidence: np.ndarray, truth: np.ndarray, weight: np.ndarray, most: float) -> None:
        known = ~np.isnan(truth)
        x, truth, weight = evidence[known].astype(np.float64), truth[known], weight[known]
        if not 0 < truth.sum() < len(truth):
            raise XmerError(
                f"scoring.logistic needs matches and non-matches, but {int(truth.sum())} of {len(truth)} "
                "known pairs match; label more pairs, or use fellegi_sunter, which needs no labels"
            )
        self.used_ = np.flatnonzero(~np.isnan(x).all(axis=0))
        x = x[:, self.used_]
        missing = np.isnan(x)
        self.centres_ = np.nansum(x * weight[:, None], axis=0) / (~missing * weight[:, None]).sum(axis=0)
        matches = truth == 1
        of_matches = np.ma.masked_array(x[matches], missing[matches])
        self.least_ = np.nanmin(x, axis=0)
        self.high_ = _upper_quartile(x, matches)
        self.scales_ = of_matches.std(axis=0).filled(0.0) + 1e-6
        self.gaps_ = np.flatnonzero(missing.any(axis=0))
        self.coefficients_ = fit_logistic(self._design(x), truth, weight, self.penalty)

    def _explained(self, evidence: np.ndarray) -> np.ndarray:
        """A product counts by halves for either of its measures."""
        x = evidence[:, self.used_].astype(np.float64)
        result = np.zeros((len(x), len(self.names_) + 1))
        result[:, -1] = self.coefficients_[-1]
        count = len(self.used_)
        first, second = self._products(count)
        shares = np.zeros((len(self.coefficients_), count))  # none of the constant, which comes last
        shares[np.arange(count), np.arange(count)] = 1
        products = count + np.arange(len(first))
        np.add.at(shares, (products, first), 0.5)
        np.add.at(shares, (products, second), 0.5)
        shares[count + len(first) + np.arange(len(self.gaps_)), self.gaps_] = 1
        weighted = np.ascontiguousarray((shares * self.coefficients_[:, None]).T)

        def explain(block: np.ndarray) -> np.ndarray:
            terms = self._design(block)
            return np.column_stack([(terms * own).sum(axis=1) for own in weighted])

        result[:, self.used_] = in_blocks(explain, x, np.float64)
        return result

    def log_odds(self, evidence: np.ndarray) -> np.ndarray:
        x = np.asarray(evidence, np.float32)[:, self.used_].astype(np.float64)
        return in_blocks(lambda block: (self._design(block) * self.coefficients_).sum(axis=1), x, np.float64)

    def _design(self, x: np.ndarray) -> np.ndarray:
        """Standardised measures, their squares and products, what is missing, and a constant."""
        missing = np.isnan(x)
        x = np.maximum(x, self.least_)
        linear, z = (
            np.where(missing, 0.0, (values - self.centres_) / self.scales_)
            for values in (x, np.minimum(x, self.high_))
        )
        first, second = self._products(z.shape[1])
        return np.hstack([linear, z[:, first] * z[:, second], missing[:, self.gaps_], np.ones((len(z), 1))])

    def _products(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The measures whose product is a term, and which by which: every square, and all others of few."""
        every = np.arange(count)
        return np.triu_indices(count) if count <= self.products else (every, every)


def _upper_quartile(x: np.ndarray, matches: np.ndarray) -> np.ndarray:
    """What three quarters of the matches do not exceed, by measure; no pair does where no match has one."""
    with_it = ~np.isnan(x[matches]).all(axis=0)
    found = np.nanmax(x, axis=0)
    found[with_it] = np.nanquantile(x[matches][:, with_it], 0.75, axis=0)
    return found
