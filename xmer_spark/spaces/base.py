"""What all common spaces share: their interface, and how fitting and placing are run."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np

from xmer_spark.method import Method
from xmer_spark.numerics.rows import in_blocks
from xmer_spark.numerics.threads import one_thread
from xmer_spark.numerics.views import Labels, Pairs, Views, contiguous_views


class Space(Method):
    """A common space of several modalities, in which the inner product is the similarity.

    A method writes ``_fit`` and ``_transform``. A fit is the same for any layout of the views in memory and
    any number of threads, and where an item is placed depends on the fitted space and that item alone, to
    the last bit.
    """

    @property
    def learns(self) -> bool:
        """Whether it has to be told which items belong together."""
        return True

    def fit(self, views: Views, labels: Labels | None = None, pairs: Pairs | None = None) -> Self:
        """Learn the space.

        ``views`` maps modality to an (n_m, d_m) float array. ``pairs[a, b]`` holds (p, 2) row indices,
        into ``views[a]`` and ``views[b]``, that describe one thing; ``a`` may equal ``b``. Without
        ``pairs`` the rows are aligned across modalities. ``labels`` maps modality to (n_m,) class
        numbers, -1 where unknown.
        """
        with self.fitting():
            self._fit(contiguous_views(views), labels, pairs)
        return self

    def transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, k) float32: of unit length where the cosine is meant to be the similarity.

        An item without direction stays zero.
        """
        with one_thread():
            return in_blocks(lambda block: self._transform(modality, block), x)

    def fit_transform(
        self, views: Views, labels: Labels | None = None, pairs: Pairs | None = None
    ) -> dict[str, np.ndarray]:
        """Learn the space and place the very items that it was learnt on: modality to (n_m, k) float32.

        A transductive method overrides this with its paper's procedure, in which items of label -1
        are what is to be placed; other methods do what ``transform`` does.
        """
        self.fit(views, labels, pairs)
        return {modality: self.transform(modality, view) for modality, view in views.items()}

    @abstractmethod
    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        """Keep what is learnt, under names that end in an underscore."""

    @abstractmethod
    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        """``transform`` of a block of a few hundred vectors, float64 as its products should be."""
