"""Is this an image that every later step can decode?"""

from __future__ import annotations

import warnings
from io import BytesIO

from PIL import Image

from xmer_spark.sources.records import Refusal

#: Pillow reads more, some of it by starting other programs; these are the formats of photographs on disk.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")


def check_image(content: bytes, max_pixels: int) -> None:
    """Decode an image once, or refuse it.

    The pixels that its header declares are counted before any memory is spent on them.
    """
    if not content:
        raise Refusal("unreadable_image", "there are no bytes", 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata, which nothing here uses
            _decode(content, max_pixels)
    except (Refusal, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise Refusal("image_too_large", str(error), len(content)) from None
    except Exception as error:  # on damaged bytes a decoder may raise anything
        raise Refusal(*_why(content, error), len(content)) from None


def _decode(content: bytes, max_pixels: int) -> None:
    with Image.open(BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        if width * height > max_pixels:
            detail = f"{width} x {height} pixels; ingest.max_image_pixels allows {max_pixels}"
            raise Refusal("image_too_large", detail, len(content))
        image.verify()  # PNG: the checksums, and that the file has its end
    with Image.open(BytesIO(content), formats=FORMATS) as image:
        # JPEG: every code word is read, but an eighth of the resolution is computed, in half the time.
        image.draft("L", (1, 1))
        image.load()


def _why(content: bytes, error: Exception) -> tuple[str, str]:
    if "truncated" in str(error).lower() or _webp_is_cut(content):
        return "truncated_image", f"the file ends early, after {len(content)} bytes"
    if isinstance(error, Image.UnidentifiedImageError):
        return "unreadable_image", f"not one of {', '.join(FORMATS)}; it begins with {content[:12]!r}"
    return "unreadable_image", f"{type(error).__name__}: {error}"


def _webp_is_cut(content: bytes) -> bool:
    """WebP's decoder does not say what is wrong, but the header says how long the file is."""
    return content[:4] == b"RIFF" and int.from_bytes(content[4:8], "little") + 8 > len(content)
