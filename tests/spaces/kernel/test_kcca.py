"""Kernel CCA: its features, and what it sees that CCA does not."""

from __future__ import annotations

import numpy as np

from xmer_spark.numerics.linalg import squared_distances
from xmer_spark.spaces import REGISTRY
from xmer_spark.spaces.kernel.kcca import KernelCCA
from xmer_spark.spaces.linear.cca import CCA


def circles(n: int = 500, seed: int = 0) -> dict[str, np.ndarray]:
    """Two views that share only the distance from the origin."""
    random = np.random.default_rng(seed)
    radius = random.uniform(0.5, 3, n)
    angles = random.uniform(0, 2 * np.pi, (2, n))
    image, text = (np.column_stack([radius * np.cos(a), radius * np.sin(a)]) for a in angles)
    return {"image": image, "text": text}


def test_features_reproduce_the_kernel_where_every_item_is_a_landmark() -> None:
    x = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
    space = KernelCCA(landmarks=60, components=60, width=1.0).fit({"image": x, "text": x})
    features = space._features("image", x)
    distances = squared_distances(x, x)
    median = np.median(distances[np.triu_indices(60, 1)])
    np.testing.assert_allclose(features @ features.T, np.exp(-distances / median), atol=1e-3)


def test_a_relation_without_linear_correlation_is_found() -> None:
    views = circles()
    linear = CCA(dimensions=1, regularisation=1e-3).fit(views)
    kernel = KernelCCA(dimensions=1, landmarks=200, components=30, regularisation=1e-3).fit(views)
    assert linear.correlations_[0] < 0.3
    assert kernel.correlations_[0] > 0.95


def test_saved_space_transforms_the_same_and_rows_have_unit_length(tmp_path) -> None:  # type: ignore[no-untyped-def]
    views = circles()
    space = KernelCCA(dimensions=3, landmarks=50, components=20).fit(views)
    space.save(tmp_path)
    x = space.transform("text", views["text"])
    np.testing.assert_array_equal(REGISTRY.load(tmp_path).transform("text", views["text"]), x)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-6)


def test_no_item_gives_no_row() -> None:
    space = KernelCCA(dimensions=3, landmarks=50, components=20).fit(circles())
    assert space.transform("image", np.empty((0, 2))).shape == (0, len(space.correlations_))
