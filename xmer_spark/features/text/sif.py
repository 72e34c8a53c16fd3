"""Texts as a weighted mean of word vectors, less what all texts have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from xmer_spark.errors import ConfigError
from xmer_spark.features.text.tokens import WordExtractor, is_chinese
from xmer_spark.features.text.vectors import WordVectors, glove
from xmer_spark.features.text.word2vec import Word2Vec


class SIF(WordExtractor):
    """Smooth inverse frequency (Arora, Liang and Ma 2017, algorithm 1): (n, d) float32.

    A text is v = sum of a / (a + p(w)) x_w over its known words w, over their number, then v - u u'v,
    with ``common_`` u the first singular vector of the training texts' v, which are not centred. The
    probability p(w) is wordfreq's, of ``language`` or, for words in Chinese characters, of Chinese; 0
    where it does not know the word. The word vectors x are ``glove`` (English) or ``word2vec``, which is
    trained on the training texts, with parameters of its own.
    """

    name = "sif"

    common_: np.ndarray
    word2vec_: dict[str, Any]

    def __init__(
        self,
        vectors: str = "glove",
        a: float = 1e-3,
        language: str = "en",
        word2vec: Mapping[str, Any] | None = None,
    ) -> None:
        self.vectors = vectors
        self.a = a
        self.language = language
        self.word2vec = word2vec

    def _fit(self, batch: Sequence[str], labels: Sequence[str | None] | None) -> None:
        if self.vectors not in {"glove", "word2vec"}:
            raise ConfigError(f"features.sif: vectors must be of glove, word2vec, not {self.vectors!r}")
        if self.language not in _languages():
            known = ", ".join(sorted(_languages()))
            raise ConfigError(f"features.sif: language must be of {known}, not {self.language!r}")
        texts = [self.prepare(text) for text in batch]
        if self.vectors == "word2vec":
            self.word2vec_ = Word2Vec(**self.word2vec or {}).fit_words(texts).state()
        means = self._means(texts).astype(np.float64)
        # The first right singular vector of the means, by way of a matrix that does not grow with them.
        _, vectors = np.linalg.eigh(means.T @ means)
        self.common_ = vectors[:, -1].copy()

    def _extract(self, prepared: Sequence[list[str]]) -> np.ndarray:
        common = self.fitted("common_")
        means = self._means(prepared)
        return (means - np.outer(np.vecdot(means, common), common)).astype(np.float32)

    def _means(self, texts: Sequence[list[str]]) -> np.ndarray:
        return self._word_vectors().mean(texts, lambda word: self.a / (self.a + self._probability(word)))

    def _word_vectors(self) -> WordVectors:
        if self.vectors == "glove":
            return glove()
        return WordVectors.of(self.word2vec_["words_"], self.word2vec_["vectors_"])

    def _probability(self, word: str) -> float:
        from wordfreq import word_frequency

        return _chinese().get(word, 0.0) if is_chinese(word) else word_frequency(word, self.language)


def _languages() -> Collection[str]:
    from wordfreq import available_languages

    return available_languages()


@lru_cache(maxsize=1)
def _chinese() -> dict[str, float]:
    """Probabilities of Chinese words, looked up as they are: wordfreq would segment them once more."""
    from wordfreq import get_frequency_dict

    return get_frequency_dict("zh")
