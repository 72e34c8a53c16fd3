"""Places: how far apart on the globe."""

from __future__ import annotations

import numpy as np

from xmer_spark.comparisons.base import Comparison, Prepared

#: Mean radius of the earth, km.
RADIUS = 6371.0088
#: Places within this many km are one: about the width of a street.
ONE = 0.02


class PlaceComparison(Comparison):
    """Places written as ``latitude,longitude`` in degrees; what is none is missing.

    ``equal`` within 20 m; ``near``, ``1 / (1 + km)`` along a great circle.
    """

    measures = ("equal", "near")

    def _clean(self, value: str) -> str:
        value = value.strip()
        return value if _degrees(value) else ""

    def _prepare(self, values: list[str]) -> Prepared:
        latitude, longitude = np.radians(np.array([_degrees(value) for value in values]).reshape(-1, 2)).T
        across = np.cos(latitude)
        globe = [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)]
        return {"globe": np.stack(globe, axis=1)}

    def _compare(self, left: Prepared, right: Prepared, x: np.ndarray, y: np.ndarray) -> Prepared:
        chord = np.linalg.norm(left["globe"][x] - right["globe"][y], axis=1)
        km = 2 * RADIUS * np.arcsin(np.minimum(chord / 2, 1))
        return {"equal": km < ONE, "near": 1 / (1 + km)}


def _degrees(value: str) -> tuple[float, float] | None:
    """
    >>> _degrees("48.2, 16.4"), _degrees("95,0"), _degrees("Vienna")
    ((48.2, 16.4), None, None)
    """
    try:
        latitude, longitude = (float(part) for part in value.split(","))
    except ValueError:
        return None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 360 else None
