"""Pictures for tests, as the bytes of a PNG file."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def png(pixels: np.ndarray) -> bytes:
    """Pixels (height, width) or (height, width, 3 or 4) from 0 to 255 as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def noise(seed: int) -> bytes:
    """A picture of nothing, the same for the same seed."""
    return png(np.random.default_rng(seed).integers(0, 255, (40, 60, 3)))
