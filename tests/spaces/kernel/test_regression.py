"""Kernel regression: the solution in closed form, what it takes as partners, and what it needs."""

from __future__ import annotations

import numpy as np
import pytest

from tests.spaces.kernel.test_kcca import circles
from xmer_spark.errors import XmerError
from xmer_spark.numerics.linalg import squared_distances, unit_rows
from xmer_spark.spaces.kernel.regression import KernelRegression


def test_with_every_item_a_landmark_it_is_the_solution_of_the_paper() -> None:
    random = np.random.default_rng(0)
    views = {"image": random.standard_normal((80, 4)), "text": random.standard_normal((80, 3))}
    space = KernelRegression(regularisation=0.3).fit(views)
    distances = squared_distances(views["image"], views["image"])
    kernel = np.exp(-distances / np.median(distances[np.triu_indices(80, 1)]))
    centred = views["text"] - views["text"].mean(axis=0)
    expected = kernel @ np.linalg.solve(kernel + 0.3 * np.eye(80), centred)
    np.testing.assert_allclose(space.transform("image", views["image"]), unit_rows(expected), atol=1e-4)
    np.testing.assert_allclose(space.transform("text", views["text"]), unit_rows(centred), atol=1e-6)


def test_a_relation_without_linear_correlation_is_found_for_new_items() -> None:
    views, new = circles(seed=0), circles(seed=1)
    radius = {seed: np.linalg.norm(v["text"], axis=1) for seed, v in enumerate((views, new))}
    told = {"image": views["image"], "text": np.column_stack([radius[0], np.ones(500)])}
    space = KernelRegression(regularisation=0.01).fit(told)
    place = space.transform("image", new["image"])[:, 0]
    assert np.corrcoef(place > 0, radius[1] > radius[0].mean())[0, 1] > 0.9


def test_an_item_is_led_to_the_mean_of_its_partners_whichever_way_round_they_are_given() -> None:
    random = np.random.default_rng(0)
    views = {"image": random.standard_normal((30, 4)), "text": random.standard_normal((60, 3))}
    index = np.column_stack([np.repeat(np.arange(30), 2), np.arange(60)])
    one = KernelRegression().fit(views, pairs={("image", "text"): index})
    other = KernelRegression().fit(views, pairs={("text", "image"): index[:, ::-1]})
    means = views["text"].reshape(30, 2, 3).mean(axis=1)
    plain = KernelRegression().fit({"image": views["image"], "text": means})
    place = one.transform("image", views["image"])
    assert np.array_equal(place, other.transform("image", views["image"]))
    np.testing.assert_allclose(place, plain.transform("image", views["image"]), atol=1e-5)


def test_the_other_way_round_and_one_modality_alone() -> None:
    views = circles()
    onto = KernelRegression(onto="image").fit(views)
    centred = views["image"] - views["image"].mean(axis=0)
    np.testing.assert_allclose(onto.transform("image", views["image"]), unit_rows(centred), atol=1e-6)
    alone = KernelRegression().fit({"image": views["image"]}, pairs={})
    assert np.array_equal(alone.transform("image", views["image"]), onto.transform("image", views["image"]))


def test_without_partners_it_says_what_is_missing() -> None:
    nothing = {("image", "text"): np.empty((0, 2), np.int64)}
    with pytest.raises(XmerError, match="no image is known to be of one thing with any text"):
        KernelRegression().fit(circles(), pairs=nothing)
