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
#: Tags of a TIFF: the least and the greatest value that its pixels may have, and their bits; whether they
#: are whole numbers, with a sign or without, or fractions; and whether 0 is white rather than black.
_LEAST, _MOST, _BITS, _SIGNED, _WHITE_IS_0 = (340, 280), (341, 281), 258, (339, 2), (262, 0)
#: How files of each format begin, and the chunks that a picture in a PNG consists of.
_BEGINNINGS = {
    "PNG": (b"\x89PNG\r\n\x1a\n",), "TIFF": (b"II*\x00", b"MM\x00*"), "JPEG": (b"\xff\xd8\xff",),
    "GIF": (b"GIF8",), "BMP": (b"BM",),
}  # fmt: skip
_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


def usable_image(content: bytes, max_pixels: int) -> bytes:
    """An image that every later step can decode: as it is, where that is so, or else made a PNG.

    The pixels that its header declares are counted before any memory is spent on them. Made a PNG are: the
    largest page of a TIFF of several, whole numbers of more than 8 bits, brought to 8 by what the format says
    of them, and pictures whose EXIF data is damaged, turned as it says where that can still be read. A PNG
    loses what is said about it where that is damaged. A Refusal says why an image cannot be used.
    """
    if not content:
        raise Refusal("unreadable_image", "there are no bytes", 0)
    try:
        return _examined(content, max_pixels)
    except Refusal as refusal:
        bare = _bare(content)
        if refusal.reason != "unreadable_image" or bare == content:
            raise
        try:
            return _examined(bare, max_pixels)
        except Refusal:
            raise refusal from None


def _bare(content: bytes) -> bytes:
    """A PNG without its chunks of text, time, colours and so on; other content as it is."""
    (start,), kept, at = _BEGINNINGS["PNG"], [content[:8]], 8
    if not content.startswith(start):
        return content
    while at < len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        if content[at + 4 : at + 8] in _PICTURE:
            kept.append(content[at:end])
        at = end
    return b"".join(kept)


def _examined(content: bytes, max_pixels: int) -> bytes:
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
        if page or _is_deep(image) or not _has_sound_exif(image):
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
    picture = _eight_bits(image, content) if _is_deep(image) else image
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


def _is_deep(image: Image.Image) -> bool:
    """Whether pixels are other than whole numbers of 8 bits without a sign."""
    tag, signed = _SIGNED
    return image.mode.startswith(("I", "F")) or _number(getattr(image, "tag_v2", {}), tag) == signed


def _eight_bits(image: Image.Image, content: bytes) -> Image.Image:
    """A picture of large whole numbers, or of fractions, in shades from 0 to 255."""
    tags = getattr(image, "tag_v2", {})
    black, white = (_number(tags, *names) for names in (_LEAST, _MOST))
    if white is not None and white <= (black or 0):  # some writers leave both at 0
        black = white = None
    bits = _number(tags, _BITS) or (16 if image.mode.startswith("I;16") else None)
    (sample, signed), (shades, inverted) = _SIGNED, _WHITE_IS_0
    whole = image.mode.startswith("I") and _number(tags, sample) != signed
    if white is None and whole and bits is not None and bits <= 16:
        white = 2**bits - 1
    if white is None:
        detail = f"nothing says which value of its {image.mode} pixels is white; save it with 8 or 16 bits"
        raise Refusal("unreadable_image", detail, len(content))
    pixels = (np.asarray(image, np.float64) - (black or 0)) * (255 / (white - (black or 0)))
    if _number(tags, shades) == inverted:
        pixels = 255 - pixels
    return Image.fromarray(np.clip(np.nan_to_num(np.rint(pixels)), 0, 255).astype(np.uint8))


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
        known = [name for name, starts in _BEGINNINGS.items() if content.startswith(starts)]
        if known:
            return "unreadable_image", f"a {known[0]} that is damaged, or has pixels of an unusual form"
        return "unreadable_image", f"not one of {', '.join(FORMATS)}; it begins with {content[:12]!r}"
    return "unreadable_image", f"{type(error).__name__}: {error}"


def _webp_is_cut(content: bytes) -> bool:
    """WebP's decoder does not say what is wrong, but the header says how long the file is."""
    return content[:4] == b"RIFF" and int.from_bytes(content[4:8], "little") + 8 > len(content)
