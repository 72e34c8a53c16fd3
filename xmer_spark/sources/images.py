"""Images that every later step can decode."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from xmer_spark.sources.records import Refusal

#: Pillow reads more, some of it by starting other programs; these are the formats of photographs on disk.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")

_ORIENTATION = 0x0112
#: What sets a picture upright, by its orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: Tags of a TIFF: the least and the greatest value that its pixels may have.
_LEAST, _MOST = (340, 280), (341, 281)


def usable_image(content: bytes, max_pixels: int) -> bytes:
    """An image that every later step can decode: as it is, where that is so, or else made a PNG.

    The pixels that its header declares are counted before any memory is spent on them. Made a PNG are: the
    largest page of a TIFF of several, whole numbers of more than 8 bits, brought to 8 by what the format says
    of them, and pictures whose EXIF data is damaged, turned as it says where that can still be read. A
    Refusal says why an image cannot be used.
    """
    if not content:
        raise Refusal("unreadable_image", "there are no bytes", 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata
            return _decoded(content, max_pixels)
    except (Refusal, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise Refusal("image_too_large", str(error), len(content)) from None
    except Exception as error:  # on damaged bytes a decoder may raise anything
        raise Refusal(*_why(content, error), len(content)) from None


def _decoded(content: bytes, max_pixels: int) -> bytes:
    with Image.open(BytesIO(content), formats=FORMATS) as image:
        page = _largest_page(image)
        _count_pixels(image, max_pixels, content)
        image.verify()  # PNG: the checksums, and that the file has its end
    with Image.open(BytesIO(content), formats=FORMATS) as image:
        if page:
            image.seek(page)
        if page or image.mode.startswith(("I", "F")) or not _has_sound_exif(image):
            return _as_png(image, content)
        # JPEG: every code word is read, but an eighth of the resolution is computed, in half the time.
        image.draft("L", (1, 1))
        image.load()
    return content


def _count_pixels(image: Image.Image, max_pixels: int, content: bytes) -> None:
    width, height = image.size
    if width * height > max_pixels:
        detail = f"{width} x {height} pixels; ingest.max_image_pixels allows {max_pixels}"
        raise Refusal("image_too_large", detail, len(content))


def _largest_page(image: Image.Image) -> int:
    """Turn to the largest page of a TIFF, the first of several such; returns its number, 0 elsewhere."""
    if image.format != "TIFF" or getattr(image, "n_frames", 1) == 1:
        return 0
    areas = []
    for page in range(image.n_frames):  # type: ignore[attr-defined]
        image.seek(page)
        areas.append(image.width * image.height)
    largest = areas.index(max(areas))
    image.seek(largest)
    return largest


def _has_sound_exif(image: Image.Image) -> bool:
    """Whether the way up of a picture can be read, and the rest written again, as turning it needs."""
    try:
        exif = image.getexif()
        if exif.get(_ORIENTATION, 1) != 1:
            exif.tobytes()
    except Exception:  # whatever damaged metadata may lead to
        return False
    return True


def _as_png(image: Image.Image, content: bytes) -> bytes:
    picture = _eight_bits(image, content) if image.mode.startswith(("I", "F")) else image
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # whatever damaged metadata may lead to
        turn = None
    picture = picture.transpose(turn) if turn is not None else picture
    if picture.mode not in ("L", "RGB", "RGBA"):
        picture = picture.convert("RGBA" if picture.mode in ("LA", "P", "PA") else "RGB")
    target = BytesIO()
    Image.fromarray(np.asarray(picture)).save(target, "PNG")  # without the metadata
    return target.getvalue()


def _eight_bits(image: Image.Image, content: bytes) -> Image.Image:
    """A picture of large whole numbers, or of fractions, in shades from 0 to 255."""
    tags = getattr(image, "tag_v2", {})
    black, white = (_number(tags, *names) for names in (_LEAST, _MOST))
    bits = _number(tags, 258) or (16 if image.mode.startswith("I;16") else None)
    if white is None and image.mode.startswith("I") and bits is not None and bits <= 16:
        white = 2**bits - 1
    if white is None or white <= (black or 0):
        detail = f"nothing says which value of its {image.mode} pixels is white; save it with 8 or 16 bits"
        raise Refusal("unreadable_image", detail, len(content))
    pixels = (np.asarray(image, np.float64) - (black or 0)) * (255 / (white - (black or 0)))
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def _number(tags: Any, *names: int) -> float | None:
    """The first of some tags of a TIFF that is there; of several values the first."""
    for name in names:
        if name in tags:
            value = tags[name]
            return float(value[0] if isinstance(value, tuple) else value)
    return None


def _why(content: bytes, error: Exception) -> tuple[str, str]:
    if "truncated" in str(error).lower() or _webp_is_cut(content):
        return "truncated_image", f"the file ends early, after {len(content)} bytes"
    if isinstance(error, Image.UnidentifiedImageError):
        return "unreadable_image", f"not one of {', '.join(FORMATS)}; it begins with {content[:12]!r}"
    return "unreadable_image", f"{type(error).__name__}: {error}"


def _webp_is_cut(content: bytes) -> bool:
    """WebP's decoder does not say what is wrong, but the header says how long the file is."""
    return content[:4] == b"RIFF" and int.from_bytes(content[4:8], "little") + 8 > len(content)
