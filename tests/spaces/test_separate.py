"""A space for each modality by itself: the cosines of its features, whatever the other is like."""

from __future__ import annotations

import numpy as np

from xmer_spark.spaces import REGISTRY


def test_cosines_within_a_modality_are_those_of_its_features() -> None:
    random = np.random.default_rng(0)
    views = {"image": random.standard_normal((20, 7)), "text": random.standard_normal((15, 4))}
    space = REGISTRY.build("separate").fit(views)
    for modality, x in views.items():
        placed = space.transform(modality, x)
        assert placed.shape == (len(x), 7)
        assert placed.dtype == np.float32
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        np.testing.assert_allclose(placed @ placed.T, unit @ unit.T, atol=1e-6)


def test_it_is_fitted_on_one_modality_and_leaves_nothing_where_there_is_nothing() -> None:
    space = REGISTRY.build("separate").fit({"image": np.ones((3, 2))})
    assert not space.transform("image", np.zeros((2, 2))).any()
    np.testing.assert_allclose(space.transform("image", np.array([[3.0, 4.0]])), [[0.6, 0.8]], rtol=1e-6)
