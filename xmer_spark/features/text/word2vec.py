"""Texts as the mean of word vectors that are learned from the training texts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Self

import numpy as np

from xmer_spark.features.text.tokens import WordExtractor
from xmer_spark.features.text.vectors import WordVectors


class Word2Vec(WordExtractor):
    """Mean of a text's word vectors, skip-gram with negative sampling (Mikolov et al. 2013), by gensim.

    ``vectors_`` (words, dimensions) belong to ``words_``: the ``vocabulary`` most frequent words of those
    in at least ``min_texts`` training texts, of which the first 10,000 words count. For any language.
    Unknown words are skipped, and a text without a known word is zero.
    """

    name = "word2vec"

    words_: list[str]
    vectors_: np.ndarray

    def __init__(
        self,
        dimensions: int = 100,
        window: int = 5,
        negative: int = 5,
        min_texts: int = 2,
        vocabulary: int = 50_000,
        epochs: int = 10,
        seed: int = 0,
    ) -> None:
        self.dimensions = dimensions
        self.window = window
        self.negative = negative
        self.min_texts = min_texts
        self.vocabulary = vocabulary
        self.epochs = epochs
        self.seed = seed

    def _fit(self, batch: Sequence[str], labels: Sequence[str | None] | None) -> None:
        self.fit_words([self.prepare(text) for text in batch])

    def fit_words(self, texts: list[list[str]]) -> Self:
        from gensim.models import Word2Vec as Model

        known = set(self.vocabulary_of(texts, self.vocabulary, self.min_texts))
        model = Model(
            [[word for word in text if word in known] for text in texts],
            sg=1,
            vector_size=self.dimensions,
            window=self.window,
            negative=self.negative,
            min_count=1,
            epochs=self.epochs,
            seed=self.seed,
            # The same vectors every time: one worker, and a hash that is no secret of the process.
            workers=1,
            hashfxn=_hash,
        )
        self.words_ = list(model.wv.index_to_key)
        self.vectors_ = model.wv.vectors.astype(np.float32)
        return self

    def word_vectors(self) -> WordVectors:
        return WordVectors.of(self.fitted("words_"), self.vectors_)

    def _extract(self, prepared: Sequence[list[str]]) -> np.ndarray:
        return self.word_vectors().mean(prepared)


def _hash(text: str) -> int:
    return zlib.crc32(text.encode())
