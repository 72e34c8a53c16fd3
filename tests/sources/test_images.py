"""Pictures whose format is sound but unusual, and good pictures with bad notes: seen as they are meant."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xmer_spark.features.image.base import decode, on_white
from xmer_spark.sources.images import usable_image
from xmer_spark.sources.records import Refusal

GREY = np.linspace(0, 255, 48 * 32).reshape(32, 48).astype(np.uint8)
PHOTOMETRIC, LEAST, MOST, SAMPLES = 262, 280, 281, 339


def seen(content: bytes) -> np.ndarray:
    """How a picture looks to the extractors: (h, w) shades of its first colour."""
    return on_white(decode(usable_image(content, 10**6)))[..., 0].astype(float)


def tiff(pixels: np.ndarray, **tags: int) -> bytes:
    """A TIFF (h, w) with further tags of whole numbers, written by hand: few programs write all of them."""
    height, width = pixels.shape
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    values = {
        256: width, 257: height, 258: pixels.dtype.itemsize * 8, 259: 1, PHOTOMETRIC: 1, 273: 8, 277: 1,
        278: height, 279: pixels.nbytes, SAMPLES: kind,
    } | {int(name.strip("t")): value for name, value in tags.items()}  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(values.items()))
    start = b"II*\0" + struct.pack("<I", 8 + pixels.nbytes) + pixels.tobytes()
    return start + struct.pack("<H", len(values)) + entries + bytes(4)


def chunk(kind: bytes, data: bytes, fault: int = 0) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ fault)


def png(*notes: bytes, kind: int = 0, depth: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", 48, 32, depth, kind, 0, 0, 0)
    deep = GREY if depth == 8 else GREY.astype(">u2") * 257
    rows = b"".join(b"\0" + np.repeat(row, 3 if kind else 1).astype(deep.dtype).tobytes() for row in deep)
    parts = (chunk(b"IHDR", header), *notes, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def saved(format_: str, mode: str = "L", **options: Any) -> bytes:
    target = BytesIO()
    Image.fromarray(GREY).convert(mode).save(target, format_, **options)
    return target.getvalue()


DEEP = GREY.astype(np.uint16) * 257


@pytest.mark.parametrize(
    "content",
    [
        png(depth=16),
        png(kind=2, depth=16),
        tiff(GREY),
        tiff(255 - GREY, t262=0),
        tiff(DEEP),
        tiff(65535 - DEEP, t262=0),
        tiff(GREY.astype(np.uint16) * 16, t281=255 * 16),
        tiff(DEEP, t280=0, t281=0),
        tiff(GREY.astype(np.int16), t281=255),
        saved("TIFF", "LA"),
        saved("TIFF", "CMYK"),
        saved("JPEG", "CMYK", quality=95),
        saved("GIF", save_all=True, append_images=[Image.new("L", (48, 32))]),
        saved("PNG", save_all=True, append_images=[Image.new("L", (48, 32))]),
        saved("WEBP", "RGB", lossless=True, save_all=True, append_images=[Image.new("RGB", (48, 32))]),
    ],
)
def test_a_picture_looks_the_same_in_whatever_form_it_is_stored(content: bytes) -> None:
    assert np.abs(seen(content) - GREY).mean() < 2


@pytest.mark.parametrize(
    "note",
    [
        chunk(b"tEXt", b"Comment\0x", fault=1),
        chunk(b"tIME", bytes(7), fault=1),
        chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(100 << 20))),
        chunk(b"iCCP", b"x\0\0no profile"),
        chunk(b"eXIf", b"no EXIF data"),
    ],
    ids=["checksum of a text", "checksum of a time", "large text", "profile", "EXIF"],
)
def test_a_good_png_with_a_bad_note_is_kept(note: bytes) -> None:
    assert (seen(png(note)) == GREY).all()


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (tiff((GREY.astype(int) - 128).astype(np.int8)), "which value of its L pixels is white"),
        (tiff(DEEP.astype(np.int16)), "which value of its I pixels is white"),
        (tiff(GREY.astype(np.float64)), "a TIFF that is damaged, or has pixels of an unusual form"),
        (png(chunk(b"PLTE", b"", fault=1)), "broken PNG|a PNG that is damaged"),
        (b"\0\0\0\x18ftypheic", "not one of BMP, GIF, JPEG, PNG, TIFF, WEBP; it begins with"),
        (b"<svg/>", "not one of BMP, GIF, JPEG, PNG, TIFF, WEBP; it begins with b'<svg/>'"),
    ],
)
def test_what_cannot_be_shown_as_it_is_meant_is_refused_with_the_reason(content: bytes, detail: str) -> None:
    with pytest.raises(Refusal, match=detail) as refused:
        usable_image(content, 10**6)
    assert refused.value.reason == "unreadable_image"
