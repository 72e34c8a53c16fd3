"""Dates, as precise as they are given: a day, a month or a year."""

from __future__ import annotations

import re
from datetime import date

import numpy as np

from xmer_spark.comparisons.base import Comparison, Prepared

_ISO = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


class DateComparison(Comparison):
    """Dates written ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``; what is none is missing.

    ``equal`` as far as both are given; ``same_year``; ``near``, ``1 / (1 + days / 30)``, where a date without
    a day or month lies in the middle of its month or year.
    """

    measures = ("equal", "same_year", "near")

    def _clean(self, value: str) -> str:
        value = value.strip()
        return value if _read(value) else ""

    def _prepare(self, values: list[str]) -> Prepared:
        dates = np.array([_read(value) for value in values], np.int64).reshape(-1, 4)
        return {"parts": dates[:, :3], "day": dates[:, 3]}

    def _compare(self, left: Prepared, right: Prepared, x: np.ndarray, y: np.ndarray) -> Prepared:
        one, two = left["parts"][x], right["parts"][y]
        same = (one == two) | (one == 0) | (two == 0)
        days = np.abs(left["day"][x] - right["day"][y])
        return {"equal": same.all(axis=1), "same_year": same[:, 0], "near": 1 / (1 + days / 30)}


def _read(value: str) -> tuple[int, int, int, int] | None:
    """Year, month and day, 0 where not given, and the day's number; None of what is no date.

    >>> _read("2020-02"), _read("2020-13"), _read("soon")
    ((2020, 2, 0, 737470), None, None)
    """
    match = _ISO.fullmatch(value)
    if not match:
        return None
    year, month, day = (int(part or 0) for part in match.groups())
    try:
        middle = date(year, month or (7 if not match[2] else 0), day or (15 if not match[3] else 0))
    except ValueError:
        return None
    return year, month, day, middle.toordinal()
