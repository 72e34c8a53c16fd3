"""The least probability of a match, which may differ by modality pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from xmer_spark.errors import ConfigError
from xmer_spark.names import pair_name

#: For all modality pairs, or by pair in sorted order, such as image-text.
Threshold = float | Mapping[str, float]


def lowest(threshold: Threshold) -> float:
    """What the probability of a match must reach, whatever its modalities."""
    return min(threshold.values(), default=0.0) if isinstance(threshold, Mapping) else threshold


def thresholds(names: Sequence[str], threshold: Threshold) -> np.ndarray:
    """The threshold of each pair of modalities, NaN where there is none: (names, names).

    >>> thresholds(["image", "text"], {"image-text": 0.5}).tolist()
    [[nan, 0.5], [0.5, nan]]
    """
    if not isinstance(threshold, Mapping):
        return np.full((len(names), len(names)), float(threshold))
    by_pair = [[threshold.get(pair_name(a, b), np.nan) for b in names] for a in names]
    return np.array(by_pair).reshape(len(names), len(names))


def no_threshold(a: str, b: str) -> ConfigError:
    return ConfigError(f"clustering: no threshold for the modality pair {pair_name(a, b)}")
