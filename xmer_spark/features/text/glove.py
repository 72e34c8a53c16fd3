"""Texts as the mean of their words' GloVe vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xmer_spark.features.text.tokens import WordExtractor
from xmer_spark.features.text.vectors import glove


class GloVe(WordExtractor):
    """Mean of the GloVe vectors (Pennington, Socher and Manning 2014) of a text's words: 50 values.

    English only; unknown words are skipped, and a text without a known word is zero.
    """

    name = "glove"

    def _extract(self, prepared: Sequence[list[str]]) -> np.ndarray:
        return glove().mean(prepared)
