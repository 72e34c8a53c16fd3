"""Linear algebra over rows in bounded memory: means, covariances, unit lengths."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Rows that are converted to float64 at a time.
CHUNK = 65_536


def chunks(count: int, size: int = CHUNK) -> Iterator[slice]:
    """Slices that cover ``range(count)``, each of at most ``size``.

    >>> list(chunks(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    return (slice(start, start + size) for start in range(0, count, size))


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows divided by their Euclidean length; zero rows stay zero.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)


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
