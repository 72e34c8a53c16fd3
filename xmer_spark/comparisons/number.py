"""Numbers: how far apart, by themselves and beside how far apart such numbers are."""

from __future__ import annotations

import re
from math import isfinite

import numpy as np

from xmer_spark.comparisons.base import Comparison, Prepared

_DECIMAL = re.compile(r"[+-]?(?:\d+\.?(\d*)|\.(\d+))(?:[eE][+-]?\d+)?")


class NumberComparison(Comparison):
    """Decimal numbers; what is none is missing.

    ``equal`` after rounding to the fewer decimals of the two; ``relative``, 1 less the difference as a share
    of the larger one; ``near``, ``1 / (1 + d / s)`` with the difference d and the scale s, the median
    distance of the records' numbers from their median.
    """

    measures = ("equal", "relative", "near")

    def _clean(self, value: str) -> str:
        value = value.strip()
        return value if _DECIMAL.fullmatch(value) and isfinite(float(value)) else ""

    def _fit(self, values: list[str], count: np.ndarray) -> None:
        numbers = np.repeat(_numbers(values), count)
        spread = np.median(np.abs(numbers - np.median(numbers))) if len(numbers) else 0.0
        self.scale_ = float(spread) or 1.0

    def _prepare(self, values: list[str]) -> Prepared:
        matches = [_DECIMAL.fullmatch(value) for value in values]
        decimals = [len((match[1] or match[2] or "").rstrip("0")) if match else 0 for match in matches]
        return {"number_of": _numbers(values), "decimals": np.array(decimals, np.int64)}

    def _compare(self, left: Prepared, right: Prepared, x: np.ndarray, y: np.ndarray) -> Prepared:
        one, two = left["number_of"][x], right["number_of"][y]
        decimals = np.minimum(left["decimals"][x], right["decimals"][y])
        larger = np.maximum(np.abs(one), np.abs(two))
        with np.errstate(invalid="ignore", over="ignore"):  # a difference too large for a double is infinite
            difference = np.abs(one - two)
            relative = np.where(difference == 0, 1.0, 1 - np.minimum(difference / larger, 1))
            near = 1 / (1 + difference / self.scale_)
        return {"equal": difference < 0.5 * 10.0**-decimals, "relative": relative, "near": near}


def _numbers(values: list[str]) -> np.ndarray:
    return np.array([float(value) for value in values], np.float64)
