"""Values spread as if at random, and shares of them: the same on every machine."""

from __future__ import annotations

import numpy as np


def line(keys: np.ndarray, lines: int) -> np.ndarray:
    """Which of so many shares of all items each key falls into: (n) int64."""
    return share(mix(keys), lines)


def share(mixed: np.ndarray, lines: int) -> np.ndarray:
    """Which of so many equal shares each spread value falls into (Lemire 2019): (n) int64.

    A remainder, which numpy finds one by one, takes several times longer.
    """
    return ((mixed >> np.uint64(32)) * np.uint64(lines) >> np.uint64(32)).astype(np.int64)


def mix(values: np.ndarray, salt: int = 0) -> np.ndarray:
    """Spread 64-bit values evenly, by the finaliser of SplitMix64 (Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        x = values.astype(np.uint64) + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 % 2**64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
