"""Gradient-boosted trees, where the truth of some pairs is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.threads import one_thread
from xmer_spark.scoring.base import EvidenceScorer

if TYPE_CHECKING:
    from lightgbm import Booster


class Boosted(EvidenceScorer):
    """LightGBM (Ke et al. 2017) on the pairs whose truth is known; missing evidence is understood.

    A probability never falls where two records are more alike by any measure (``monotone``), which keeps
    few labels from being learnt by heart. The same pairs in the same order give the same trees. Saved as
    LightGBM's own text.
    """

    def __init__(
        self,
        rounds: int = 150,
        rate: float = 0.1,
        leaves: int = 8,
        least: int = 10,
        monotone: bool = True,
        seed: int = 0,
    ) -> None:
        self.rounds = rounds
        self.rate = rate
        self.leaves = leaves
        self.least = least
        self.monotone = monotone
        self.seed = seed

    def _fit(self, evidence: np.ndarray, truth: np.ndarray, weight: np.ndarray, most: float) -> None:
        import lightgbm

        known = ~np.isnan(truth)
        matches, pairs = int(truth[known].sum()), int(known.sum())
        if not 0 < matches < pairs:
            raise XmerError(
                f"scoring.boosted needs matches and non-matches, but {matches} of {pairs} known pairs match; "
                "label more pairs, or use fellegi_sunter, which needs no labels"
            )
        data = lightgbm.Dataset(evidence[known], truth[known], weight=weight[known])
        self.model_ = lightgbm.train(self._settings(), data, self.rounds).model_to_string()

    def _settings(self) -> dict[str, Any]:
        return {
            "objective": "binary",
            "learning_rate": self.rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.least,
            "lambda_l2": 1.0,
            "feature_fraction": 0.7,
            "monotone_constraints": [int(self.monotone)] * len(self.names_),
            "seed": self.seed,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }

    def log_odds(self, evidence: np.ndarray) -> np.ndarray:
        return np.asarray(self._predicted(evidence, raw_score=True))

    def _explained(self, evidence: np.ndarray) -> np.ndarray:
        """Shapley values of the trees (Lundberg et al. 2020)."""
        return np.asarray(self._predicted(evidence, pred_contrib=True))

    def _predicted(self, evidence: np.ndarray, **wanted: bool) -> Any:
        if not len(evidence):
            return np.zeros((0, len(self.names_) + 1) if "pred_contrib" in wanted else 0)
        with one_thread():
            return self._trees().predict(np.asarray(evidence, np.float32), num_threads=1, **wanted)

    def _trees(self) -> Booster:
        """The trees, read once."""
        import lightgbm

        if getattr(self, "_read", ("", None))[0] != self.model_:
            self._read = (self.model_, lightgbm.Booster(model_str=self.model_))
        return self._read[1]
