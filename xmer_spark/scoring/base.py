"""What the scorers of comparisons offer: evidence of pairs -> probabilities, and what each measure adds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.method import Method
from xmer_spark.numerics.logistic import sigmoid


class EvidenceScorer(Method):
    """Evidence (p, c) float32 -> the probability that the two records of a pair describe one thing.

    A column of the evidence is a measure, from 0 to 1 and greater where records are more alike, named
    ``attribute/measure``; NaN is evidence that does not exist, and says nothing.
    """

    names_: list[str]

    def fit(
        self,
        evidence: np.ndarray,
        names: Sequence[str],
        truth: np.ndarray | None = None,
        weight: np.ndarray | None = None,
        most: float = 1.0,
    ) -> Self:
        """Learn from candidate pairs.

        ``truth`` (p,) is 1 of a match, 0 of none and NaN where it is unknown; ``weight`` (p,) is how many
        candidate pairs each stands for; ``most`` is the share of them that can be matches.
        """
        count = len(evidence)
        if evidence.shape != (count, len(names)) or not count:
            raise XmerError(f"scoring: evidence of shape {evidence.shape} does not fit {len(names)} names")
        truth = np.full(count, np.nan) if truth is None else np.asarray(truth, float)
        weight = np.ones(count) if weight is None else np.asarray(weight, float)
        with self.fitting():
            self.names_ = list(names)
            self._fit(np.asarray(evidence, np.float32), truth, weight, most)
        return self

    def probability(self, evidence: np.ndarray) -> np.ndarray:
        """(p,) float32."""
        return sigmoid(self.log_odds(evidence)).astype(np.float32)

    def log_odds(self, evidence: np.ndarray) -> np.ndarray:
        """(p,) float64: what ``probability`` is the sigmoid of."""
        explained = self._explained(np.asarray(evidence, np.float32))
        return np.asarray(explained.sum(axis=1))

    def contributions(self, evidence: np.ndarray) -> np.ndarray:
        """What each measure adds to the log-odds of each pair (p, c); the rest is the same for all pairs."""
        return self._explained(np.asarray(evidence, np.float32))[:, :-1]

    @abstractmethod
    def _fit(self, evidence: np.ndarray, truth: np.ndarray, weight: np.ndarray, most: float) -> None:
        """Learn from pairs, of which there is at least one."""

    @abstractmethod
    def _explained(self, evidence: np.ndarray) -> np.ndarray:
        """(p, c + 1) terms of the log-odds; the last column holds what is the same for all pairs."""
