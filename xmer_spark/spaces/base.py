"""What all common spaces share: their interface, and small pieces of linear algebra."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.methods import Method

#: Rows that are converted to float64 at a time.
CHUNK = 65_536

Views = Mapping[str, np.ndarray]
Labels = Mapping[str, np.ndarray]
Pairs = Mapping[tuple[str, str], np.ndarray]


class Space(Method):
    """A common space of several modalities, in which the inner product is the similarity."""

    @abstractmethod
    def fit(self, views: Views, labels: Labels | None = None, pairs: Pairs | None = None) -> Self:
        """Learn the space.

        ``views`` maps modality to an (n_m, d_m) float array. ``pairs[a, b]`` holds (p, 2) row indices,
        into ``views[a]`` and ``views[b]``, that describe one thing; ``a`` may equal ``b``. Without
        ``pairs`` the rows are aligned across modalities. ``labels`` maps modality to (n_m,) class
        numbers, -1 where unknown.
        """

    @abstractmethod
    def transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, k) float32: of unit length where the cosine is meant to be the similarity.

        An item without direction stays zero.
        """

    def fit_transform(
        self, views: Views, labels: Labels | None = None, pairs: Pairs | None = None
    ) -> dict[str, np.ndarray]:
        """Learn the space and place the very items that it was learnt on: modality to (n_m, k) float32.

        A transductive method overrides this with its paper's procedure, in which items of label -1
        are what is to be placed; other methods do what ``transform`` does.
        """
        self.fit(views, labels, pairs)
        return {modality: self.transform(modality, view) for modality, view in views.items()}


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows divided by their Euclidean length; zero rows stay zero.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)


def aligned_pairs(views: Views) -> dict[tuple[str, str], np.ndarray]:
    """The pairs of views whose rows are aligned: row i with row i, for every two modalities."""
    rows = {modality: len(view) for modality, view in views.items()}
    if len(set(rows.values())) > 1:
        raise XmerError(f"views without pairs must have equally many rows, not {rows}")
    names = list(views)
    count = next(iter(rows.values()))
    identity = np.repeat(np.arange(count), 2).reshape(-1, 2)
    return {(a, b): identity for i, a in enumerate(names) for b in names[i + 1 :]}


def check_pairs(views: Views, pairs: Pairs) -> None:
    """An XmerError where a pair names an unknown modality or a row that is not there."""
    for (a, b), index in pairs.items():
        unknown = {a, b} - set(views)
        if unknown:
            raise XmerError(f"pairs of {a} and {b}: no view of {', '.join(sorted(unknown))}")
        if index.ndim != 2 or index.shape[1] != 2:
            raise XmerError(
                f"pairs of {a} and {b}: expected an array of (p, 2) row indices, not {index.shape}"
            )
        if len(index) and (index.min() < 0 or (index.max(axis=0) >= (len(views[a]), len(views[b]))).any()):
            raise XmerError(f"pairs of {a} and {b}: a row index lies outside its view")


def chunks(count: int, size: int = CHUNK) -> Iterator[slice]:
    """Slices that cover ``range(count)``, each of at most ``size``.

    >>> list(chunks(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    return (slice(start, start + size) for start in range(0, count, size))


def mean_and_covariance(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and covariance (d, d) of rows, in float64, without a float64 copy of all rows."""
    mean = x.mean(axis=0, dtype=np.float64)
    total = np.zeros((x.shape[1], x.shape[1]))
    for rows in chunks(len(x)):
        part = x[rows] - mean
        total += part.T @ part
    return mean, total / max(len(x), 1)


def cross_covariance(
    x: np.ndarray, x_mean: np.ndarray, y: np.ndarray, y_mean: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """Covariance (d_x, d_y) of the rows of ``x`` and ``y`` that ``pairs`` (p, 2) brings together."""
    total = np.zeros((x.shape[1], y.shape[1]))
    for rows in chunks(len(pairs)):
        total += (x[pairs[rows, 0]] - x_mean).T @ (y[pairs[rows, 1]] - y_mean)
    return total / max(len(pairs), 1)
