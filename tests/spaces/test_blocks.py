"""Joined extractor outputs brought to one scale."""

from __future__ import annotations

import numpy as np
import pytest

from xmer_spark.errors import XmerError
from xmer_spark.spaces import PREPARATION
from xmer_spark.spaces.blocks import Blocks

WIDTHS = {"image": {"cnn": 12, "colour": 5}, "text": {"words": 7}}


def views(seed: int = 0, n: int = 50) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    image = np.hstack([1000 * random.random((n, 12)), random.random((n, 5))])
    return {"image": image, "text": random.random((n, 7))}


def test_each_extractor_gets_the_variance_of_its_weight() -> None:
    blocks = Blocks(WIDTHS, components=4, weights={"colour": 0.25}).fit(views())
    x = blocks.transform("image", views()["image"])
    assert x.shape == (50, 8)
    np.testing.assert_allclose(x[:, :4].var(axis=0).sum(), 1, rtol=1e-4)
    np.testing.assert_allclose(x[:, 4:].var(axis=0).sum(), 0.25, rtol=1e-4)


def test_all_components_keep_all_distances() -> None:
    blocks = Blocks(WIDTHS, components={"words": 7}).fit(views())
    text = views(1)["text"]
    x = blocks.transform("text", text)
    scale = np.linalg.norm(text[0] - text[1]) / np.linalg.norm(x[0] - x[1])
    np.testing.assert_allclose(
        scale * np.linalg.norm(x[2] - x[3]), np.linalg.norm(text[2] - text[3]), rtol=1e-4
    )


def test_fewer_items_than_columns_give_the_same_distances() -> None:
    x = np.random.default_rng(0).standard_normal((6, 40)).astype(np.float32)
    blocks = Blocks({"image": {"cnn": 40}}, components=9).fit({"image": x})  # 5 of 6 directions are any
    placed = blocks.transform("image", x)
    assert placed.shape == (6, 6)
    np.testing.assert_allclose(placed.var(axis=0).sum(), 1, rtol=1e-4)
    scale = np.linalg.norm(x[0] - x[1]) / np.linalg.norm(placed[0] - placed[1])
    np.testing.assert_allclose(
        scale * np.linalg.norm(placed[2] - placed[3]), np.linalg.norm(x[2] - x[3]), rtol=1e-4
    )


def test_length_of_a_row_is_forgotten_where_unit_is_asked_for() -> None:
    blocks = Blocks(WIDTHS, root=["words"], unit=["words"]).fit(views())
    text = views()["text"]
    np.testing.assert_allclose(blocks.transform("text", 9 * text), blocks.transform("text", text), atol=1e-5)


def test_saved_blocks_transform_the_same(tmp_path) -> None:  # type: ignore[no-untyped-def]
    blocks = Blocks(WIDTHS, components=3, unit=["cnn"]).fit(views())
    blocks.save(tmp_path)
    loaded = PREPARATION.load(tmp_path)
    image = views(2)["image"]
    np.testing.assert_array_equal(loaded.transform("image", image), blocks.transform("image", image))


def test_wrong_width_is_named() -> None:
    with pytest.raises(XmerError, match="16 columns do not fit"):
        Blocks(WIDTHS).fit({"image": np.ones((5, 16))})


def test_no_components_pass_columns_on_as_they_come() -> None:
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    blocks = Blocks({"image": {"clip": 3}}, components=0).fit({"image": x})
    np.testing.assert_allclose(blocks.transform("image", x), x, atol=1e-6)
