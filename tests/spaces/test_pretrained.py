"""Encoders that share a space: what passes through, and what an adapter adds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xmer_spark.errors import XmerError
from xmer_spark.numerics.linalg import unit_rows
from xmer_spark.spaces import REGISTRY
from xmer_spark.spaces.pretrained import Pretrained

TRAINING = {"epochs": 40, "rate": 3e-3, "device": "cpu"}


def shared_space(n: int, seed: int = 0, turned: float = 1.0, width: int = 16) -> dict[str, np.ndarray]:
    """Images and texts of one space, the texts after a fixed linear change of size ``turned``."""
    change = np.eye(width) + turned * np.random.default_rng(99).standard_normal((width, width)) / width**0.5
    random = np.random.default_rng(seed)
    z = random.standard_normal((n, width))
    return {
        "image": z + 0.3 * random.standard_normal(z.shape),
        "text": (z + 0.3 * random.standard_normal(z.shape)) @ change,
    }


def first_hits(space: Pretrained, views: dict[str, np.ndarray]) -> float:
    """Share of images that find their text first."""
    image, text = (space.transform(m, view) for m, view in views.items())
    return float(((image @ text.T).argmax(axis=1) == np.arange(len(image))).mean())


def test_vectors_pass_through_at_unit_length() -> None:
    views = shared_space(20)
    views["text"][3] = 0
    space = Pretrained().fit(views, pairs={})
    for m, view in views.items():
        placed = space.transform(m, view)
        assert placed.dtype == np.float32
        np.testing.assert_allclose(placed, unit_rows(view), atol=1e-6)


@pytest.mark.parametrize("adapter", ["linear", "rotation", "residual"])
def test_an_adapter_brings_items_of_one_thing_closer(adapter: str) -> None:
    train, test = shared_space(800), shared_space(200, seed=1)
    adapted = Pretrained(adapter, share=0.5, reduction=1, training=TRAINING).fit(train)
    assert first_hits(adapted, test) > first_hits(Pretrained().fit(train), test) + 0.05


def test_a_large_ridge_leaves_vectors_as_they_come() -> None:
    views = shared_space(50)
    for adapter in ("linear", "rotation"):
        space = Pretrained(adapter, ridge=1e6).fit(views)
        np.testing.assert_allclose(
            space.transform("text", views["text"]), unit_rows(views["text"]), atol=1e-4
        )


def test_a_rotation_is_orthogonal_and_undoes_a_rotation() -> None:
    image = np.random.default_rng(0).standard_normal((100, 6))
    q, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))
    space = Pretrained("rotation", ridge=0).fit({"image": image, "text": image @ q})
    np.testing.assert_allclose(space.maps_["text"] @ space.maps_["text"].T, np.eye(6), atol=1e-5)
    np.testing.assert_allclose(space.transform("text", image @ q), unit_rows(image), atol=1e-5)


def test_pairs_may_name_the_modalities_in_either_order() -> None:
    views = shared_space(60)
    rows = np.column_stack([np.arange(60), np.roll(np.arange(60), 1)])
    one = Pretrained("linear").fit(views, pairs={("image", "text"): rows})
    other = Pretrained("linear").fit(views, pairs={("text", "image"): rows[:, ::-1]})
    np.testing.assert_array_equal(one.maps_["text"], other.maps_["text"])


def test_an_empty_share_of_the_residual_changes_nothing() -> None:
    views = shared_space(60)
    space = Pretrained("residual", share=0.0, training={"epochs": 2, "device": "cpu"}).fit(views)
    np.testing.assert_allclose(space.transform("text", views["text"]), unit_rows(views["text"]), atol=1e-6)


@pytest.mark.parametrize("adapter", [None, "linear", "rotation", "residual"])
def test_a_saved_space_transforms_the_same(tmp_path: Path, adapter: str | None) -> None:
    views = shared_space(60)
    views["text"][5] = 0
    space = Pretrained(adapter, training={"epochs": 2, "device": "cpu"}).fit(views)
    space.save(tmp_path)
    ours, loaded = (s.transform("text", views["text"]) for s in (space, REGISTRY.load(tmp_path)))
    np.testing.assert_array_equal(ours, loaded)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), np.arange(60) != 5, atol=1e-5)
    assert space.transform("text", views["text"][:0]).shape == (0, 16)


def test_the_same_seed_gives_identical_weights_and_another_does_not() -> None:
    views = shared_space(60)

    def weight(seed: int) -> np.ndarray:
        training = {"epochs": 2, "device": "cpu", "seed": seed}
        return Pretrained("residual", training=training).fit(views).adapters_["image"][0]["weight"]

    np.testing.assert_array_equal(weight(3), weight(3))
    assert not np.array_equal(weight(3), weight(4))


def test_wrong_input_is_named() -> None:
    views = shared_space(10)
    with pytest.raises(XmerError, match=r"one width, not .'image': 16, 'text': 9."):
        Pretrained().fit({"image": views["image"], "text": views["text"][:, :9]})
    with pytest.raises(XmerError, match="text has 9 columns, the common space 16"):
        Pretrained().fit(views).transform("text", views["text"][:, :9])
    with pytest.raises(XmerError, match="one of linear, rotation, residual, not 'cubic'"):
        Pretrained("cubic").fit(views)
    pairs = {("image", "text"): np.zeros((1, 2), int)}
    with pytest.raises(XmerError, match="no pairs of image and relational"):
        Pretrained("linear").fit({**views, "relational": views["text"]}, pairs=pairs)
