"""Rows of csv and list files: read exactly, and never lost to a broken neighbour."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xmer_spark.errors import ConfigError
from xmer_spark.sources.delimited import SEPARATORS, find_layout, read_rows
from xmer_spark.sources.records import Refusal, bytes_of

FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


Rows = list[tuple[int, dict[str, str] | Refusal]]


def rows_of(path: Path, content: bytes, columns: tuple[str, ...] = ()) -> Rows:
    path.write_bytes(content)
    layout = find_layout(path, "s", ["id", "name"], columns)
    return [
        (line, row if isinstance(row, Refusal) else dict(zip(layout.columns, row, strict=True)))
        for line, row in read_rows(path, layout)
    ]


def good(rows: Rows) -> list[dict[str, str]]:
    return [row for _, row in rows if not isinstance(row, Refusal)]


def refused(rows: Rows) -> list[tuple[int, str]]:
    return [(line, row.reason) for line, row in rows if isinstance(row, Refusal)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.csv"


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=8), separator=st.sampled_from(SEPARATORS))
def test_what_a_csv_writer_writes_is_read_back_exactly(
    path: Path, rows: list[tuple[str, ...]], separator: str
) -> None:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "name", "year"), *rows])
    found = rows_of(path, written.getvalue().encode())
    assert [tuple(row.values()) for row in good(found)] == rows
    assert len(found) == len(rows)


BROKEN = (b"7", b"7,a,b,c", b'7,"a"b,c', b'7,"open,b', b'7,"a,b\n8,c"')


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.integers(0, 20), st.sampled_from(BROKEN)), max_size=6))
def test_broken_rows_cost_no_good_row(path: Path, places: list[tuple[int, bytes]]) -> None:
    lines = [f"{number},name {number},1999".encode() for number in range(100, 120)]
    wanted = {str(number) for number in range(100, 120)}
    for place, broken in sorted(places, reverse=True):
        lines.insert(place, broken)
    found = rows_of(path, b"id,name,year\n" + b"\n".join(lines) + b"\n")
    assert {row["id"] for row in good(found)} >= wanted
    assert len(refused(found)) >= len(places)


def test_a_quoted_field_may_span_lines_and_the_line_number_is_that_of_its_first(path: Path) -> None:
    found = rows_of(path, b'id,name\n1,"two\nlines"\n2,one\n')
    assert found == [(2, {"id": "1", "name": "two\nlines"}), (4, {"id": "2", "name": "one"})]


def test_an_open_quote_takes_only_its_own_line(path: Path) -> None:
    found = rows_of(path, b'id|name\n1|a\n2|"17 inch\n3|c\n4|d\n')
    assert [row["id"] for row in good(found)] == ["1", "3", "4"]
    assert refused(found) == [(3, "malformed_row")]


def test_a_byte_order_mark_is_no_part_of_the_first_column(path: Path) -> None:
    assert good(rows_of(path, b"\xef\xbb\xbfid;name\n1;a\n")) == [{"id": "1", "name": "a"}]


def test_latin_1_bytes_are_kept_for_the_check_to_refuse(path: Path) -> None:
    found = good(rows_of(path, "id%name\n1%café\n2%tea\n".encode("latin-1")))
    assert bytes_of([row["name"] for row in found]).to_pylist() == [b"caf\xe9", b"tea"]


def test_a_file_without_a_header_takes_its_columns_from_the_configuration(path: Path) -> None:
    found = rows_of(path, b"1\ta\n2\tb\n", columns=("id", "name"))
    assert good(found) == [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}]


def test_empty_lines_are_no_records(path: Path) -> None:
    assert len(rows_of(path, b"id,name\r\n\r\n1,a\r\n\r\n")) == 1


THREE = "id,name\n1,caf\u00e9\n2,tea\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_encoding_of_unicode_and_every_line_end_is_read(path: Path, encoding: str, end: str) -> None:
    found = rows_of(path, THREE.replace("\n", end).encode(encoding))
    assert found == [(2, {"id": "1", "name": "caf\u00e9"}), (3, {"id": "2", "name": "tea"})]


def test_what_is_damaged_in_utf_16_is_for_the_check_to_refuse(path: Path) -> None:
    found = good(rows_of(path, THREE.encode("utf-16").replace(b"\xe9\x00", b"\x00\xd8")))
    assert found[1] == {"id": "2", "name": "tea"}
    with pytest.raises(UnicodeDecodeError):
        bytes_of([found[0]["name"]])[0].as_py().decode()


@pytest.mark.parametrize(
    "content",
    [
        "id,name\r\n1,a\r\n2,b\n3,c\r4,d\n",  # one line ends in a carriage return alone
        "\n\nid,name\n1,a\n2,b\n3,c\n4,d\n",
        "sep=;\nid;name\n1;a\n2;b\n3;c\n4;d\n",
        "\ufeff\ufeffid , na\u200bme\n1,a\n2, b\n3,c\n4,d\n",
        'id, name\n"1", "a"\n"2","b"\n3,c\n4,d\n',
        "id,name,\n1,a\n2,b,\n3,c\n4,d,\n",
        "id,name\n1,a,,\n2,b\n3,c,\n4,d, \n",
    ],
)
def test_what_programs_write_around_a_table_costs_no_row(path: Path, content: str) -> None:
    found = rows_of(path, content.encode())
    assert refused(found) == []
    assert [row["id"] + row["name"] for row in good(found)] == ["1a", "2b", "3c", "4d"]


def test_a_carriage_return_within_a_value_parts_no_record(path: Path) -> None:
    found = rows_of(path, b'id,name\n1,a\rb\n2,"a\rb"\n')
    assert (good(found), refused(found)) == ([{"id": "2", "name": "a\rb"}], [(2, "malformed_row")])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (gzip.compress(b"id,name\n", mtime=0), "is no text but compressed by gzip; unpack it"),
        (b"PK\x03\x04\x14\x00", "is no text but a ZIP archive or a workbook"),
        (
            "id,name,gr\u00f6\u00dfe\n".encode("cp1252"),
            "holds bytes that are not UTF-8: save the file as UTF-8",
        ),
        (b"id\xc2\xa0,id\xe2\x80\x8b,name\n1,2,a\n", "more than one column id"),
    ],
)
def test_a_file_that_is_no_table_in_text_is_told_by_name(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"x.csv.*{message}"):
        find_layout(path, "s", ["id", "name", *(["size"] if b"gr" in content else [])])


@pytest.mark.parametrize("separator", ["||", '"', "\n"])
def test_what_cannot_part_columns_is_no_separator(path: Path, separator: str) -> None:
    path.write_text("id,name\n")
    with pytest.raises(ConfigError, match=r"separator: .* name a single sign"):
        find_layout(path, "s", ["id"], separator=separator)


def test_a_file_without_the_wanted_columns_is_shown_to_the_user(path: Path) -> None:
    path.write_text("key,title\n1,a\n")
    with pytest.raises(ConfigError, match=r"does not have the columns id, name; it is 'key,title'"):
        find_layout(path, "s", ["id", "name"])
