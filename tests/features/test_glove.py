"""Word vectors that come with a package."""

from __future__ import annotations

import numpy as np

from xmer_spark.features import REGISTRY
from xmer_spark.features.text.vectors import glove


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))


def test_king_is_near_queen_and_far_from_cabbage() -> None:
    king, queen, cabbage = REGISTRY.build("glove").extract(["King", "queen!", "cabbage"])
    assert king.shape == (50,)
    assert cosine(king, queen) > 0.7 > 0.3 > cosine(king, cabbage)


def test_a_text_is_the_mean_of_its_known_words() -> None:
    king, queen, both, none = REGISTRY.build("glove").extract(
        ["king", "queen", "king queen xyzzyqq", "清华大学"]
    )
    np.testing.assert_allclose(both, (king + queen) / 2, atol=1e-6)
    assert not none.any()


def test_the_vectors_are_read_once_and_mapped_into_memory() -> None:
    assert glove() is glove()
    assert isinstance(glove().matrix, np.memmap)
    assert glove().matrix.shape == (len(glove().rows), 50)
