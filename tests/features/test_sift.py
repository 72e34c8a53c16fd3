"""Bags of visual words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pictures import png
from xmer_spark.errors import XmerError
from xmer_spark.features import REGISTRY


def blobs(seed: int, across: int = 0, size: int = 320) -> bytes:
    """Grey discs and bars in the middle of a white image, moved to the right."""
    random = np.random.default_rng(seed)
    image = np.full((size, size), 255.0)
    y, x = np.mgrid[:size, :size]
    for _ in range(12):
        cx, cy = random.integers(112, 192, 2)
        r, grey = random.integers(4, 14), random.integers(0, 180)
        shape = np.hypot(x - cx - across, y - cy) < r
        if random.random() < 0.5:
            shape = (np.abs(x - cx - across) < r) & (np.abs(y - cy) < r / 3)
        image[shape] = grey
    return png(np.repeat(image[..., None], 3, axis=2))


IMAGES = [blobs(seed) for seed in range(8)]
BLANK = png(np.full((64, 64, 3), 200))


def test_a_translated_image_has_the_same_histogram() -> None:
    extractor = REGISTRY.build("sift", {"words": 30}).fit(IMAGES)
    image, moved, other = extractor.extract([blobs(0), blobs(0, across=64), blobs(1)])
    np.testing.assert_allclose(image, moved, atol=0.02)
    assert np.abs(image - other).sum() > 10 * np.abs(image - moved).sum()


def test_histograms_sum_to_one_and_are_zero_without_keypoints(tmp_path: Path) -> None:
    extractor = REGISTRY.build("sift", {"words": 30}).fit(IMAGES)
    histograms = extractor.extract([*IMAGES, BLANK])
    np.testing.assert_allclose(histograms.sum(axis=1), [1] * 8 + [0], atol=1e-6)
    extractor.save(tmp_path)
    np.testing.assert_array_equal(REGISTRY.load(tmp_path).extract([*IMAGES, BLANK]), histograms)


def test_descriptors_are_square_roots_of_shares() -> None:
    extractor = REGISTRY.build("sift")
    found = extractor.prepare(extractor.read(IMAGES[0]))
    assert found.shape[1] == 128
    np.testing.assert_allclose((found**2).sum(axis=1), 1, atol=1e-5)


def test_each_descriptor_counts_for_its_nearest_word() -> None:
    extractor = REGISTRY.build("sift", {"words": 30}).fit(IMAGES)
    found = extractor.prepare(extractor.read(IMAGES[0]))
    distances = ((found[:, None] - extractor.codebook_) ** 2).sum(axis=2)
    expected = np.bincount(distances.argmin(axis=1), minlength=30) / len(found)
    np.testing.assert_allclose(extractor.extract(IMAGES[:1])[0], expected, atol=1e-6)


def test_the_codebook_is_repeatable_bounded_and_unharmed_by_broken_images() -> None:
    parameters = {"words": 10, "images": 4, "descriptors": 100}
    extractor = REGISTRY.build("sift", parameters).fit(IMAGES)
    assert extractor.training_items(50_000) == 4
    assert extractor.identity() == REGISTRY.build("sift", parameters).fit(IMAGES[:4]).identity()
    assert REGISTRY.build("sift", parameters).fit([b"broken", *IMAGES[:3]]).codebook_.shape == (10, 128)
    with pytest.raises(XmerError, match="not one keypoint"):
        REGISTRY.build("sift").fit([BLANK])
    with pytest.raises(XmerError, match="not fitted"):
        REGISTRY.build("sift").extract(IMAGES)


def test_real_photographs_have_many_words(shared_data: Path) -> None:
    files = sorted((shared_data / "web_news" / "images").rglob("*.jpg"))[:6]
    photographs = [file.read_bytes() for file in files]
    histograms = REGISTRY.build("sift", {"words": 50}).fit(photographs).extract(photographs)
    np.testing.assert_allclose(histograms.sum(axis=1), 1, atol=1e-5)
    assert ((histograms > 0).sum(axis=1) > 20).all()
