"""How often each word of a vocabulary occurs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xmer_spark.features.text.tokens import WordExtractor, counts


class BagOfWords(WordExtractor):
    """Counts of the ``vocabulary`` most frequent words of the training texts, in alphabetical order.

    Words in fewer than ``min_texts`` texts, or in more than ``max_share`` of them, are left out;
    ``sublinear`` replaces a count n > 0 by 1 + log n, and ``inverse`` multiplies it by ``weights_``: one and
    the logarithm of the inverse share of training texts with the word (Salton and Buckley 1988).
    """

    name = "bow"

    vocabulary_: list[str]
    weights_: np.ndarray

    def __init__(
        self,
        vocabulary: int = 2000,
        min_texts: int = 1,
        max_share: float = 1.0,
        sublinear: bool = False,
        inverse: bool = False,
    ) -> None:
        self.vocabulary = vocabulary
        self.min_texts = min_texts
        self.max_share = max_share
        self.sublinear = sublinear
        self.inverse = inverse

    def _fit(self, batch: Sequence[str], labels: Sequence[str | None] | None) -> None:
        texts = [self.prepare(text) for text in batch]
        self.vocabulary_ = self.vocabulary_of(texts, self.vocabulary, self.min_texts, self.max_share)
        if self.inverse:
            spread = (counts(texts, self.vocabulary_) > 0).sum(axis=0)
            self.weights_ = 1 + np.log(len(texts) / spread)

    def _extract(self, prepared: Sequence[list[str]]) -> np.ndarray:
        """n texts -> (n, words) float32."""
        matrix = counts(prepared, self.fitted("vocabulary_"))
        if self.sublinear:
            matrix.data = 1 + np.log(matrix.data)
        if self.inverse:
            matrix.data *= self.fitted("weights_")[matrix.indices]
        return matrix.astype(np.float32).toarray()
