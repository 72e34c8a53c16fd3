"""Linear algebra over rows in bounded memory: means, covariances, unit lengths, distances."""

from __future__ import annotations

import numpy as np

from xmer_spark.numerics.rows import chunks


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows divided by their Euclidean length; zero rows stay zero.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n, d) and (m, d) -> (n, m) squared Euclidean distances, never below 0.

    >>> squared_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[25.0, 0.0]]
    """
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)
    return np.maximum(squares - 2 * (x @ y.T), 0)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of probabilities in proportion to the exponentials.

    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: np.ndarray = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


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
