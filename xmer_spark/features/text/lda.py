"""Which topics a text is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xmer_spark.features.text.tokens import WordExtractor, counts


class LDA(WordExtractor):
    """Shares of the topics of latent Dirichlet allocation (Blei, Ng and Jordan 2003), summing to one.

    Learned by online variational Bayes (Hoffman, Blei and Bach 2010), scikit-learn's, in ``passes`` over
    the training texts; priors are 1 / topics. ``components_`` (topics, words) are the topics' word counts,
    ``expectations_`` the exponentials of their expected log probabilities, which inference uses. A text
    without a known word has equal shares. The defaults leave out words of a single text or of most texts.
    """

    name = "lda"

    vocabulary_: list[str]
    components_: np.ndarray
    expectations_: np.ndarray

    def __init__(
        self,
        topics: int = 50,
        vocabulary: int = 5000,
        min_texts: int = 2,
        max_share: float = 0.5,
        passes: int = 10,
        seed: int = 0,
    ) -> None:
        self.topics = topics
        self.vocabulary = vocabulary
        self.min_texts = min_texts
        self.max_share = max_share
        self.passes = passes
        self.seed = seed

    def _fit(self, batch: Sequence[str], labels: Sequence[str | None] | None) -> None:
        texts = [self.prepare(text) for text in batch]
        self.vocabulary_ = self.vocabulary_of(texts, self.vocabulary, self.min_texts, self.max_share)
        model = self._model().fit(counts(texts, self.vocabulary_))
        self.components_ = model.components_
        self.expectations_ = model.exp_dirichlet_component_

    def _extract(self, prepared: Sequence[list[str]]) -> np.ndarray:
        """n texts -> (n, topics) float32."""
        model = self._model()
        model.components_ = self.fitted("components_")
        model.exp_dirichlet_component_ = self.expectations_
        model.doc_topic_prior_ = 1 / self.topics
        return model.transform(counts(prepared, self.vocabulary_)).astype(np.float32)

    def _model(self) -> Any:
        from sklearn.decomposition import LatentDirichletAllocation

        return LatentDirichletAllocation(
            self.topics, learning_method="online", max_iter=self.passes, random_state=self.seed
        )
