"""The shape of an image: which way its edges run, and where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xmer_spark.features.image.base import ImageExtractor, on_white, resize


class HOG(ImageExtractor):
    """Histograms of oriented gradients (Dalal and Triggs 2005) of the image at a fixed size.

    Orientations without sign, shared between the two nearest bins; blocks of 2 x 2 cells, overlapping
    by one cell, scaled to unit length, clipped at 0.2 and scaled again.
    """

    name = "hog"

    def __init__(self, pixels: int = 64, cell: int = 8, orientations: int = 9) -> None:
        self.pixels = pixels
        self.cell = cell
        self.orientations = orientations

    def prepare(self, value: np.ndarray) -> np.ndarray:
        """(h, w, 4) uint8 -> (pixels, pixels) float32 grey in [0, 1], square root compressed."""
        import cv2

        grey = cv2.cvtColor(on_white(value), cv2.COLOR_RGB2GRAY)
        return np.sqrt(resize(grey[..., None], self.pixels).reshape(self.pixels, -1) / np.float32(255))

    def _extract(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        cells = self._cells(np.stack(prepared))
        blocks = np.concatenate(
            [cells[:, :-1, :-1], cells[:, 1:, :-1], cells[:, :-1, 1:], cells[:, 1:, 1:]], -1
        )
        blocks = _unit(np.minimum(_unit(blocks), 0.2))
        return blocks.reshape(len(blocks), -1).astype(np.float32)

    def _cells(self, images: np.ndarray) -> np.ndarray:
        """(n, pixels, pixels) -> (n, side, side, orientations) with side = pixels // cell."""
        n, side = len(images), self.pixels // self.cell
        down, right = np.gradient(images, axis=(1, 2))
        place = (np.arctan2(down, right) % np.pi) / np.pi * self.orientations
        low = np.floor(place)
        line = np.minimum(np.arange(self.pixels) // self.cell, side)
        inside = line < side
        cell = (line[:, None] * side + line[None, :]) + np.arange(n)[:, None, None] * side * side
        strength = np.hypot(down, right) * (inside[:, None] & inside[None, :])
        cells = np.zeros(n * side * side * self.orientations)
        for bins, share in ((low, 1 - (place - low)), (low + 1, place - low)):
            index = cell * self.orientations + bins.astype(np.int64) % self.orientations
            cells += np.bincount(
                index.ravel().clip(max=len(cells) - 1), (strength * share).ravel(), minlength=len(cells)
            )
        return cells.reshape(n, side, side, self.orientations)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x * x).sum(axis=-1, keepdims=True) + 1e-6)
