"""Precision against recall over the threshold on scored pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xmer_spark.evaluation.shares import share


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision and recall when every pair scored at least ``threshold`` (t, falling) is a match."""

    threshold: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def average_precision(self) -> float:
        """Precision averaged over the steps of recall, without interpolation."""
        return float(np.sum(np.diff(self.recall, prepend=0.0) * self.precision))

    def thinned(self, points: int = 400) -> PrecisionRecallCurve:
        """At most ``points`` of the curve, evenly spread along it, both ends kept: enough to draw."""
        steps = np.linspace(0, len(self.threshold) - 1, min(points, len(self.threshold)))
        keep = np.unique(steps.round().astype(np.int64))
        return PrecisionRecallCurve(self.threshold[keep], self.precision[keep], self.recall[keep])


def precision_recall_curve(
    scores: np.ndarray, is_true: np.ndarray, never_scored: int = 0
) -> PrecisionRecallCurve:
    """The curve of scored pairs (n); equal scores are one step, so the order of pairs is of no account.

    ``never_scored`` true pairs did not reach the scorer (blocking lost them, or they fell below the review
    threshold): they count as missed at every threshold, so recall ends below 1.
    """
    scores, is_true = np.asarray(scores), np.asarray(is_true, dtype=bool)
    if never_scored < 0:
        raise ValueError(f"never_scored must not be negative, not {never_scored}")
    threshold, step = np.unique(scores, return_inverse=True)
    found = np.bincount(step, minlength=len(threshold))[::-1].cumsum()
    right = np.bincount(step[is_true], minlength=len(threshold))[::-1].cumsum()
    true = int(is_true.sum()) + never_scored
    return PrecisionRecallCurve(threshold[::-1], share(right, found), share(right, np.full(len(right), true)))
