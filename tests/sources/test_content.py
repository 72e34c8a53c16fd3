"""What makes an image, a text, a vector or a path unusable."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.sources.reading import read
from xmer_spark.sources.files import load, walk
from xmer_spark.sources.images import FORMATS, usable_image
from xmer_spark.sources.records import Refusal
from xmer_spark.sources.strings import tidied
from xmer_spark.sources.texts import read_text
from xmer_spark.sources.vectors import check_vectors

LIMIT = 40_000_000


def encoded(format_: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    target = BytesIO()
    Image.fromarray(pixels).save(target, format_)
    return target.getvalue()


def reason(content: bytes, limit: int = LIMIT) -> str | None:
    try:
        usable_image(content, limit)
    except Refusal as refusal:
        return refusal.reason
    return None


def png_that_claims(width: int, height: int) -> bytes:
    """A few hundred bytes whose header declares any number of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("format_", FORMATS)
def test_an_image_of_each_format_is_accepted_whole_and_refused_when_cut(format_: str) -> None:
    content = encoded(format_)
    assert reason(content) is None
    assert reason(content[: len(content) * 3 // 4]) == "truncated_image"


def test_a_png_that_lacks_only_its_end_is_truncated() -> None:
    assert reason(encoded("PNG")[:-12]) == "truncated_image"


def test_a_png_with_a_wrong_checksum_is_unreadable() -> None:
    content = bytearray(encoded("PNG"))
    content[len(content) // 2] ^= 0xFF
    assert reason(bytes(content)) == "unreadable_image"


@pytest.mark.parametrize("content", [b"", b"not an image", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_unreadable(content: bytes) -> None:
    assert reason(content) == "unreadable_image"


@pytest.mark.parametrize(("width", "height"), [(8000, 8000), (2**31 - 1, 2**31 - 1)])
def test_pixels_are_counted_before_they_are_decoded(width: int, height: int) -> None:
    assert reason(png_that_claims(width, height)) == "image_too_large"


def test_the_pixel_limit_itself_is_allowed() -> None:
    content = encoded("JPEG")
    assert reason(content, limit=60 * 80) is None
    assert reason(content, limit=60 * 80 - 1) == "image_too_large"


@given(st.binary(max_size=300))
def test_no_bytes_whatever_break_the_image_check(content: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF", b"II*\x00", b"BM"):
        assert reason(start + content) in (None, "unreadable_image", "truncated_image", "image_too_large")


@given(st.text().filter(lambda text: tidied(pa.array([text]))[0].as_py()))
def test_a_text_is_kept_and_its_form_does_not_change_again(text: str) -> None:
    kept = read_text(text.encode())
    assert read_text(kept.encode()) == kept.removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty_text"),
        (b" \r\n\t", "empty_text"),
        (b"\xef\xbb\xbf", "empty_text"),
        ("caf\u00e9".encode("latin-1"), "not_utf8"),
        ("text".encode("utf-16")[:-1], "not_utf8"),
        ("\u200b\u00ad \0".encode(), "empty_text"),
        (b" N/a\n", "empty_text"),
        ("null".encode("utf-16"), "empty_text"),
    ],
)
def test_a_text_without_words_or_in_another_encoding_is_refused(content: bytes, expected: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_text(content, ["n/a", "null"])
    assert refused.value.reason == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_text_is_read_in_every_encoding_of_unicode(encoding: str) -> None:
    assert read_text("a caf\u00e9".encode(encoding)) == "a caf\u00e9"


def test_a_stray_zero_byte_makes_no_other_encoding() -> None:
    assert read_text(b"\0a text of ascii") == "\0a text of ascii"


def test_vectors_with_holes_are_refused_and_their_neighbours_are_not() -> None:
    rows = [[1.0, 2.0], None, [np.nan, 1.0], [], [np.inf, 1.0], [None, 1.0], [1.0, 2.0]]
    hashes, problems = check_vectors(pa.array(rows, pa.list_(pa.float32())))
    told = ["1 of 2", "there are", "1 of 2", "1 of 2"]
    assert [
        problem and problem[: len(start)]
        for problem, start in zip(problems.to_pylist()[2:6], told, strict=True)
    ] == told
    assert hashes.to_pylist()[1:6] == problems.to_pylist()[:2] + [None] * 3
    assert hashes[0] == hashes[6]


class TestFiles:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "root"
        (root / "sub").mkdir(parents=True)
        (root / "sub" / "a.txt").write_text("a")
        (root / ".hidden").write_text("h")
        (tmp_path / "secret").write_text("s")
        (root / "link").symlink_to(tmp_path / "secret")
        (root / "folder_link").symlink_to(tmp_path)
        (root / "circle").symlink_to(root / "circle")
        return root

    def refusal(self, root: Path, uri: str, limit: int = 100) -> str:
        with pytest.raises(Refusal) as refused:
            load(root, uri, limit)
        return refused.value.reason

    def test_a_file_inside_is_loaded_by_whatever_way_leads_to_it(self, root: Path) -> None:
        assert load(root, "sub/a.txt", 100) == load(root, "sub/../sub/a.txt", 100) == b"a"

    @pytest.mark.parametrize(
        "uri", ["../secret", "sub/../../secret", "/etc/hostname", "link", "folder_link/secret"]
    )
    def test_no_path_leads_outside(self, root: Path, uri: str) -> None:
        assert self.refusal(root, uri) == "outside_root"

    @pytest.mark.parametrize("uri", ["", "none.txt", "sub", "sub/a.txt/b", "a\x00b", "x" * 5000, "circle"])
    def test_what_is_no_readable_file_is_missing(self, root: Path, uri: str) -> None:
        assert self.refusal(root, uri) == "missing_file"

    def test_a_file_over_the_limit_is_not_read(self, root: Path) -> None:
        assert self.refusal(root, "sub/a.txt", limit=0) == "file_too_large"

    def test_all_files_but_hidden_ones_are_found_and_links_are_not_followed(self, root: Path) -> None:
        assert list(walk(root)) == ["circle", "folder_link", "link", "sub/a.txt"]


def test_a_text_may_tell_several_columns_and_leaves_out_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,colour,kind,usage\n1,red,shoe,NA\n2,,,\n3,blue,,work\n")
    told = {"summary": {"type": "text", "columns": ["colour", "kind", "usage"]}}
    found = read(tmp_path, kind="csv", path="rows.csv", key="id", fields=told)
    assert found.values("summary") == {"1": "red, shoe", "3": "blue, work"}
    assert [(key, reason) for key, _, reason in found.refusals] == [("2", "no_value")]
