"""Images inside the page: small, and in a format that every browser shows."""

from __future__ import annotations

import base64
import io

#: An image up to this size is embedded as it is; a bigger one is made smaller first.
SMALL_BYTES = 16_384
SIDE = 192

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


def data_uri(image: bytes) -> str | None:
    """An encoded image as a ``data:`` URI of at most about 20 kB; None where it cannot be read.

    >>> data_uri(b"not an image") is None
    True
    """
    kind = _browser_type(image)
    if kind is None or len(image) > SMALL_BYTES:
        smaller = _thumbnail(image)
        if smaller is None:
            return None
        image, kind = smaller, "image/webp"
    return f"data:{kind};base64,{base64.b64encode(image).decode('ascii')}"


def _browser_type(image: bytes) -> str | None:
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for signature, kind in _SIGNATURES if image.startswith(signature)), None)


def _thumbnail(image: bytes) -> bytes | None:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(image)) as opened:
            opened.draft("RGB", (SIDE, SIDE))  # lets JPEG decode at a fraction of its size
            picture = ImageOps.exif_transpose(opened)
            picture.thumbnail((SIDE, SIDE))
            has_alpha = "A" in picture.getbands() or "transparency" in picture.info
            out = io.BytesIO()
            picture.convert("RGBA" if has_alpha else "RGB").save(out, "WEBP", quality=80)
            return out.getvalue()
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return None  # the page says that the image cannot be shown
