"""Explicit features of a kernel, by landmarks (Nystroem's method: Williams and Seeger 2001)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xmer_spark.numerics.linalg import squared_distances
from xmer_spark.numerics.views import Arrays

#: (n, d) and (m, d) -> (n, m).
Distances = Callable[[np.ndarray, np.ndarray], np.ndarray]


def drawn(x: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """At most ``count`` of the rows, in their order: the landmarks, in float64.

    A gap of float32 would show in the kernel's smallest components.
    """
    return x[np.sort(random.permutation(len(x))[:count])].astype(np.float64)


def fit_kernel(
    landmarks: np.ndarray, width: float, components: int, distances: Distances = squared_distances
) -> Arrays:
    """What ``features`` needs, for the kernel ``exp(-width D(x, y) / median D)``.

    ``directions`` (landmarks, at most ``components``) are ``U s^(-1/2)`` of the leading eigenvectors U and
    values s of the landmarks' own kernel.
    """
    from scipy.linalg import eigh

    count = len(landmarks)
    between = distances(landmarks, landmarks)
    scale = scale_of(between, width)
    kept = min(components, count)
    values, vectors = eigh(np.exp(-scale * between), subset_by_index=(count - kept, count - 1))
    sound = values > 1e-8 * count
    return {
        "landmarks": landmarks,
        "scale": scale,
        "directions": vectors[:, sound] / np.sqrt(values[sound]),
    }


def scale_of(between: np.ndarray, width: float) -> np.ndarray:
    """``width`` as a share of the median of the distances (n, n) between landmarks: ()."""
    apart = between[np.triu_indices(len(between), 1)]
    return np.array(width / max(float(np.median(apart)) if len(apart) else 0.0, 1e-12))


def kernel_values(kernel: Arrays, x: np.ndarray, distances: Distances = squared_distances) -> np.ndarray:
    """(n, d) -> (n, landmarks)."""
    return np.exp(-kernel["scale"] * distances(x, kernel["landmarks"]))


def features(kernel: Arrays, x: np.ndarray, distances: Distances = squared_distances) -> np.ndarray:
    """(n, d) -> (n, components), whose inner products approximate the kernel."""
    return np.asarray(kernel_values(kernel, x, distances) @ kernel["directions"])
