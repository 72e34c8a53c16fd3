"""Words and parts of words, weighted by how much they tell apart, in few dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xmer_spark.features.base import Extractor
from xmer_spark.schema import Modality


class TfIdf(Extractor):
    """TF-IDF of words and of character n-grams within words, reduced by a truncated SVD.

    This is latent semantic analysis (Deerwester et al. 1990), at unit length; a text without a known
    n-gram is zero. Fitted on training texts: ``words_`` and ``characters_`` hold the vocabulary and
    idf of each half, ``components_`` (n-grams, d) the projection, with d at most ``dimensions``.
    """

    name = "tfidf"
    content = "text"
    modality: Modality = "text"
    lookahead = 16

    words_: dict[str, Any]
    characters_: dict[str, Any]
    components_: np.ndarray

    def __init__(
        self,
        dimensions: int = 256,
        words: Sequence[int] = (1, 2),
        characters: Sequence[int] = (2, 5),
        vocabulary: int = 20_000,
        seed: int = 0,
    ) -> None:
        self.dimensions = dimensions
        self.words = words
        self.characters = characters
        self.vocabulary = vocabulary
        self.seed = seed

    def _fit(self, batch: Sequence[str], labels: Sequence[str | None] | None) -> None:
        from sklearn.utils.extmath import randomized_svd

        vectorizers = [self._vectorizer("word"), self._vectorizer("char_wb")]
        for vectorizer in vectorizers:
            vectorizer.fit(batch)
        self.words_, self.characters_ = (_fitted(vectorizer) for vectorizer in vectorizers)
        weights = self._weights(batch)
        wanted = min(self.dimensions, *weights.shape)
        _, _, right = randomized_svd(weights, wanted, n_iter=5, random_state=self.seed)
        self.components_ = right.T.astype(np.float32)

    def _extract(self, prepared: Sequence[str]) -> np.ndarray:
        components = self.fitted("components_")
        dense = self._weights(prepared) @ components
        length = np.linalg.norm(dense, axis=1, keepdims=True)
        return dense / np.maximum(length, 1e-9)

    def _weights(self, texts: Sequence[str]) -> Any:
        """n texts -> (n, n-grams) sparse float32: both halves side by side, a row no longer than one."""
        from scipy.sparse import hstack

        if getattr(self, "_rebuilt_from", None) is not self.words_:
            self._halves = [
                self._vectorizer("word", self.words_),
                self._vectorizer("char_wb", self.characters_),
            ]
            self._rebuilt_from = self.words_
        return hstack([half.transform(texts) for half in self._halves], format="csr") * np.float32(0.5**0.5)

    def _vectorizer(self, analyzer: str, fitted: dict[str, Any] | None = None) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(
            analyzer=analyzer,
            ngram_range=tuple(self.words if analyzer == "word" else self.characters),
            # One letter is a word too; characters need no pattern.
            token_pattern=r"(?u)\b\w+\b" if analyzer == "word" else None,
            strip_accents="unicode",
            sublinear_tf=True,
            max_features=self.vocabulary,
            dtype=np.float32,
            vocabulary=fitted["vocabulary"] if fitted else None,
        )
        if fitted:
            vectorizer.idf_ = fitted["idf"]
        return vectorizer


def _fitted(vectorizer: Any) -> dict[str, Any]:
    return {"vocabulary": vectorizer.get_feature_names_out().tolist(), "idf": vectorizer.idf_}
