"""Features that were computed elsewhere and came with the items."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from xmer_spark.errors import ConfigError
from xmer_spark.features.base import Extractor
from xmer_spark.schema import Modality

_TRANSFORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda x: x,
    "sqrt": lambda x: np.sign(x) * np.sqrt(np.abs(x)),
    "log": lambda x: np.sign(x) * np.log1p(np.abs(x)),
}


class Precomputed(Extractor):
    """The items' own vectors; ``transform`` is none, sqrt or log(1 + x), odd in x.

    Square roots make the inner product of histograms their Bhattacharyya coefficient.
    """

    name = "precomputed"
    content = "vector"

    def __init__(self, modality: Modality = "image", transform: str = "none") -> None:
        self.modality = modality
        self.transform = transform

    def _extract(self, prepared: Sequence[Sequence[float]]) -> np.ndarray:
        if self.transform not in _TRANSFORMS:
            known = ", ".join(_TRANSFORMS)
            raise ConfigError(f"features.precomputed: transform must be of {known}, not {self.transform!r}")
        return _TRANSFORMS[self.transform](np.asarray(prepared, dtype=np.float32))
