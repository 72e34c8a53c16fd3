"""Two classes of pairs, told apart by the levels of their attributes: expectation-maximisation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xmer_spark.numerics.logistic import sigmoid

#: Pairs that every level of each class is believed to have before any is seen.
PRIOR = 1.0
#: Gain of mean log-likelihood at which expectation-maximisation has arrived.
ARRIVED = 1e-8


class Fitted(NamedTuple):
    """Log m - log u by attribute and level, log-odds of a match before any evidence, mean log-likelihood."""

    weights: list[np.ndarray]
    prior: float
    likelihood: float


class Pairs(NamedTuple):
    """Levels (p,) by attribute, -1 where missing; truth (p,), NaN where unknown; weight (p,)."""

    levels: list[np.ndarray]
    truth: np.ndarray
    weight: np.ndarray

    def log_odds(self, weights: list[np.ndarray], prior: float) -> np.ndarray:
        return prior + sum(
            (np.append(w, 0.0)[level] for w, level in zip(weights, self.levels, strict=True)),
            np.zeros(len(self.truth)),
        )

    def fitted(self, match: np.ndarray, rounds: int, most: float = 1.0) -> Fitted:
        """Maximise from the beliefs ``match`` (p,) that each pair matches; at most a share ``most`` does."""
        known, reached = ~np.isnan(self.truth), -np.inf
        for _ in range(rounds):
            match = np.where(known, self.truth, match)
            share = float(np.average(match, weights=self.weight))
            share = min(max(share, 1e-9), most, 0.999999)
            prior = np.log(share / (1 - share))
            tables = [self._shares(level, match) for level in self.levels]
            weights = [np.log(m) - np.log(u) for m, u in tables]
            odds = self.log_odds(weights, prior)
            other = sum(
                (np.append(np.log(u), 0.0)[level] for (_, u), level in zip(tables, self.levels, strict=True)),
                np.full(len(odds), np.log1p(-share)),
            )
            likelihood = float(np.average(other + np.logaddexp(0, odds), weights=self.weight))
            match = sigmoid(odds)
            if abs(likelihood - reached) < ARRIVED:
                break
            reached = likelihood
        return Fitted(weights, float(prior), likelihood)

    def _shares(self, level: np.ndarray, match: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """m and u of an attribute: the shares of its levels among matches and others.

        The share of matches never falls from a level to the next, which is what agreement means.
        """
        from scipy.optimize import isotonic_regression

        present = level >= 0
        count = int(level.max(initial=0)) + 1
        all_of = np.bincount(level[present], self.weight[present], count) + 2 * PRIOR
        matches = np.bincount(level[present], (self.weight * match)[present], count) + PRIOR
        risen = isotonic_regression(matches / all_of, weights=all_of).x
        m, u = risen * all_of, (1 - risen) * all_of
        return m / m.sum(), u / u.sum()
