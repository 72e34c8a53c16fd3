"""What image extractors share: decoding once for all of them, and compositing on white."""

from __future__ import annotations

import io

import numpy as np

from xmer_spark.features.base import Extractor
from xmer_spark.schema import Modality

#: Larger images are reduced to this many pixels per side while decoding: no extractor looks closer.
SIDE = 512


class ImageExtractor(Extractor):
    """An extractor of encoded images (any format that Pillow reads)."""

    content = "image"
    modality: Modality = "image"

    def read(self, content: bytes) -> np.ndarray:
        return decode(content)


def decode(content: bytes) -> np.ndarray:
    """An encoded image -> (height, width, 4) uint8 RGBA, upright, at most SIDE pixels per side.

    Pillow rather than OpenCV, which fills the missing part of a truncated file with grey in silence.
    """
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content)) as file:
        image: Image.Image = file
        if image.mode == "P":  # a palette cannot be interpolated
            image = image.convert("RGBA")
        elif image.mode.startswith("I"):  # convert() would clip 16 bits to the lowest 8
            image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
        image.thumbnail((SIDE, SIDE))  # lets the JPEG decoder skip what would be thrown away
        return np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))


def on_white(rgba: np.ndarray) -> np.ndarray:
    """(h, w, 4) RGBA -> (h, w, 3) uint8 RGB as it looks on white paper.

    >>> on_white(np.array([[[200, 0, 0, 255], [200, 0, 0, 0]]], dtype=np.uint8)).tolist()
    [[[200, 0, 0], [255, 255, 255]]]
    """
    alpha = rgba[..., 3:].astype(np.uint16)
    if alpha.min() == 255:
        return rgba[..., :3]
    mixed = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def resize(image: np.ndarray, pixels: int) -> np.ndarray:
    """(h, w, c) -> (pixels, pixels, c): area means where it shrinks, cubic where it grows."""
    import cv2

    shrinks = min(image.shape[:2]) > pixels
    return cv2.resize(image, (pixels, pixels), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
