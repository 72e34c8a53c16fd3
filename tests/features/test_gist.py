"""The layout of a scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.pictures import png
from xmer_spark.features import REGISTRY


def grating(turn: float, cycles: float = 0.3, size: int = 128) -> bytes:
    """Stripes that run at ``turn`` half turns from upright, ``cycles`` of them a pixel."""
    y, x = np.mgrid[:size, :size]
    angle = turn * np.pi
    return png(127 + 100 * np.cos(2 * np.pi * cycles * (x * np.cos(angle) + y * np.sin(angle))))


def answers(content: bytes) -> np.ndarray:
    """(scales, orientations, rows, columns)"""
    return REGISTRY.build("gist").extract([content])[0].reshape(4, 8, 4, 4)


@pytest.mark.parametrize("orientation", range(8))
def test_a_grating_peaks_at_its_orientation(orientation: int) -> None:
    assert answers(grating(orientation / 8))[0].mean(axis=(1, 2)).argmax() == orientation


def test_a_vertical_grating_peaks_at_the_scale_of_its_stripes() -> None:
    for scale in range(4):
        strength = answers(grating(0, cycles=0.3 / 1.85**scale)).mean(axis=(2, 3))
        assert np.unravel_index(strength.argmax(), strength.shape) == (scale, 0)


def test_cells_tell_where_the_structure_is() -> None:
    image = np.full((128, 128), 127.0)
    image[:32, 96:] += 100 * np.cos(2 * np.pi * 0.3 * np.arange(32))
    vertical = answers(png(image))[0, 0]
    assert np.unravel_index(vertical.argmax(), vertical.shape) == (0, 3)
    assert vertical[0, 3] > 5 * vertical[3, 0]


def test_brightness_and_contrast_hardly_matter() -> None:
    noise = np.random.default_rng(0).normal(size=(32, 32)).repeat(4, axis=0).repeat(4, axis=1)
    dark, bright = answers(png(60 + 10 * noise)).ravel(), answers(png(180 + 30 * noise)).ravel()
    assert dark @ bright / np.linalg.norm(dark) / np.linalg.norm(bright) > 0.99


def test_an_even_image_is_zero_and_the_width_is_as_documented() -> None:
    vector = REGISTRY.build("gist", {"scales": 3, "orientations": 6, "grid": 2}).extract(
        [png(np.full((50, 70), 90.0))]
    )
    assert vector.shape == (1, 3 * 6 * 2 * 2)
    assert np.abs(vector).max() < 1e-3


def test_real_photographs_are_nearer_to_their_own_halves_in_size(shared_data: Path) -> None:
    files = sorted((shared_data / "web_news" / "images").rglob("*.jpg"))[:8]
    photographs = [Image.open(file).convert("L") for file in files]
    halves = [image.resize((image.width // 2, image.height // 2)) for image in photographs]
    full, half = (
        REGISTRY.build("gist").extract([png(np.asarray(i, dtype=float)) for i in images])
        for images in (photographs, halves)
    )
    distances = np.linalg.norm(full[:, None] - half[None], axis=2)
    assert distances.argmin(axis=1).tolist() == list(range(8))
