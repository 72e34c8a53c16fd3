"""Categories: equal or not, and how much it says."""

from __future__ import annotations

import numpy as np

from xmer_spark.comparisons.base import Comparison, Prepared
from xmer_spark.comparisons.rarity import Rarity
from xmer_spark.comparisons.strings import Terms, hashes, normalised


class CategoryComparison(Comparison):
    """Categories after normalisation.

    ``equal``; ``rarity``, the inverse frequency of the value that both have, as a share of the highest, and
    0 where they differ: agreement on a rare value says more (Winkler 1989).
    """

    measures = ("equal", "rarity")

    def __init__(self, vocabulary: int = 500_000) -> None:
        self.vocabulary = vocabulary

    def _clean(self, value: str) -> str:
        return normalised(value)

    def _fit(self, values: list[str], count: np.ndarray) -> None:
        self.values_ = Rarity.of(_terms(values), count, self.vocabulary).state()

    def _prepare(self, values: list[str]) -> Prepared:
        rarity = Rarity(**self.values_)
        return {"hash": hashes(values), "rarity": rarity.weights(_terms(values).term) / rarity.highest}

    def _compare(self, left: Prepared, right: Prepared, x: np.ndarray, y: np.ndarray) -> Prepared:
        equal = left["hash"][x] == right["hash"][y]
        return {"equal": equal, "rarity": np.where(equal, left["rarity"][x], 0)}


def _terms(values: list[str]) -> Terms:
    return Terms(np.arange(len(values)), (hashes(values) >> np.uint64(33)).astype(np.int32))
