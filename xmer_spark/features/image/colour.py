"""Which colours an image has, and roughly where."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from xmer_spark.features.image.base import ImageExtractor, resize


class Colour(ImageExtractor):
    """Histograms in CIE L*a*b* of the whole image and of the cells of grids, each summing to one.

    A pixel counts by its opacity and is shared between its 8 nearest bins, so that a slightly
    different shade moves the histogram slightly. Square roots are given, so that the inner product of
    two histograms is their Bhattacharyya coefficient. Cells without an opaque pixel are zero.
    """

    name = "colour"

    def __init__(
        self, bins: Sequence[int] = (5, 8, 8), grids: Sequence[int] = (1, 2), pixels: int = 32
    ) -> None:
        self.bins = bins
        self.grids = grids
        self.pixels = pixels

    def prepare(self, value: np.ndarray) -> np.ndarray:
        """(h, w, 4) uint8 RGBA -> (pixels, pixels, 4) float32: L*, a*, b*, opacity."""
        import cv2

        alpha = value[..., 3:] / np.float32(255)
        small = resize(np.concatenate([value[..., :3] * (alpha / 255), alpha], axis=2), self.pixels)
        opacity = small[..., 3:].clip(0, 1)
        # Colours were weighted by opacity above, lest invisible pixels bleed in; here they are divided by it.
        rgb = (small[..., :3] / np.maximum(opacity, 1e-3)).clip(0, 1)
        return np.concatenate([cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab), opacity], axis=2)

    def _extract(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        images = np.stack(prepared)
        parts = [self._histograms(images, grid) for grid in self.grids]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _histograms(self, images: np.ndarray, grid: int) -> np.ndarray:
        """(n, pixels, pixels, 4) -> (n, grid * grid * bins) square roots of the cells' histograms."""
        n, size = len(images), int(np.prod(self.bins))
        line = np.arange(self.pixels) * grid // self.pixels
        cell = (line[:, None] * grid + line[None, :]) + np.arange(n)[:, None, None] * grid * grid
        total = np.zeros(n * grid * grid * size)
        low, share = self._positions(images[..., :3])
        for corner in product((0, 1), repeat=3):
            weight = images[..., 3] * np.prod(np.where(corner, share, 1 - share), axis=-1)
            index = cell * size + np.ravel_multi_index(tuple(np.moveaxis(low + corner, -1, 0)), self.bins)
            total += np.bincount(index.ravel(), weight.ravel(), minlength=len(total))
        histograms = total.reshape(n, grid * grid, size)
        mass = histograms.sum(axis=2, keepdims=True)
        return np.sqrt(histograms / np.maximum(mass, 1e-9)).reshape(n, -1)

    def _positions(self, lab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The bin below each coordinate, and how far it is towards the next one."""
        last = np.array(self.bins) - 1
        # L* spans 0..100; a* and b* of sRGB colours lie within -90..100.
        place = (lab - (0, -90, -110)) / (100, 190, 210) * last
        low = np.floor(place).clip(0, np.maximum(last - 1, 0)).astype(np.int64)
        return low, (place - low).clip(0, 1)
