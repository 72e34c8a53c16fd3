"""The layout of a scene: which structures run which way, in which part of the image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from xmer_spark.features.image.base import ImageExtractor, on_white, resize

#: Cycles a pixel of the finest scale, and by how much each further scale is coarser.
_FINEST, _RATIO = 0.3, 1.85
#: Cycles an image below which the prefilter takes brightness to be illumination.
_ILLUMINATION = 4


class GIST(ImageExtractor):
    """Spatial envelope (Oliva and Torralba 2001): mean strengths of Gabor filters in a grid of cells.

    scales x orientations x grid x grid values, in this order, rows of cells before columns. Orientation i
    answers to structures that run at i / orientations of half a turn from upright. The image is grey, at
    a fixed size, mirrored at its borders; its local mean and contrast are evened out before.
    Deviation: grey values only, with the paper's 4 scales at each of 8 orientations.
    """

    name = "gist"

    def __init__(self, pixels: int = 128, scales: int = 4, orientations: int = 8, grid: int = 4) -> None:
        self.pixels = pixels
        self.scales = scales
        self.orientations = orientations
        self.grid = grid

    def prepare(self, value: np.ndarray) -> np.ndarray:
        """(h, w, 4) uint8 -> (side, side) float32, side = pixels and a quarter of them at each border."""
        import cv2

        grey = cv2.cvtColor(on_white(value), cv2.COLOR_RGB2GRAY)
        small = resize(grey[..., None], self.pixels).reshape(self.pixels, self.pixels)
        padded = np.pad(np.log1p(small.astype(np.float32)), self._border(), mode="symmetric")
        return _even_out(padded, _ILLUMINATION / self.pixels)

    def _extract(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        from scipy import fft

        border = self._border()
        inner = slice(border, border + self.pixels)
        filters = _filters(self.pixels + 2 * border, self.scales, self.orientations)
        vectors = []
        for image in prepared:
            answers = np.abs(fft.ifft2(fft.fft2(image) * filters))
            vectors.append(_cell_means(answers[:, inner, inner], self.grid).ravel())
        return np.stack(vectors).astype(np.float32)

    def _border(self) -> int:
        return self.pixels // 4


def _even_out(image: np.ndarray, cutoff: float) -> np.ndarray:
    """Take away the local mean and divide by the local contrast; ``cutoff`` in cycles a pixel."""
    from scipy import fft

    radius = np.hypot(*_frequencies(len(image)))
    low_pass = np.exp(-np.log(2) * (radius / cutoff) ** 2).astype(np.float32)

    def local_mean(x: np.ndarray) -> np.ndarray:
        return fft.ifft2(fft.fft2(x) * low_pass).real

    detail = image - local_mean(image)
    contrast = np.sqrt(np.maximum(local_mean(detail * detail), 0))
    return detail / (0.2 + contrast)  # 0.2, so that noise in an even area stays small


@lru_cache(maxsize=4)
def _filters(side: int, scales: int, orientations: int) -> np.ndarray:
    """(scales x orientations, side, side) float32: Gaussians over radius and angle of the frequency.

    They see one half of the plane only, so that the answers' absolute values have no ripples. Widths
    are such that neighbours overlap: 0.38 of the radius, 0.72 of the step between orientations.
    """
    across, down = _frequencies(side)
    radius, angle = np.hypot(across, down), np.arctan2(down, across)
    step = np.pi / orientations
    bank = []
    for scale in range(scales):
        away = (radius * _RATIO**scale / _FINEST - 1) / 0.38
        for orientation in range(orientations):
            turned = (angle - orientation * step + np.pi) % (2 * np.pi) - np.pi
            bank.append(np.exp(-(away**2 + (turned / (0.72 * step)) ** 2) / 2))
    return np.stack(bank).astype(np.float32)


def _frequencies(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Cycles a pixel across and down, as the transform orders them."""
    line = np.fft.fftfreq(side)
    return line[None, :], line[:, None]


def _cell_means(answers: np.ndarray, grid: int) -> np.ndarray:
    """(filters, pixels, pixels) -> (filters, grid, grid)."""
    starts = np.arange(grid) * answers.shape[1] // grid
    sizes = np.diff(np.append(starts, answers.shape[1]))
    sums = np.add.reduceat(np.add.reduceat(answers, starts, axis=1), starts, axis=2)
    return sums / (sizes[:, None] * sizes[None, :])
