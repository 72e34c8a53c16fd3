"""Rows of csv and list files, such that a broken row costs no good one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place
from xmer_spark.sources.columns import columns_used
from xmer_spark.sources.records import Refusal, blocks, bytes_of, raw_batch, refused_batch

SEPARATORS = ("\t", ",", ";", "|", "%")
_BOM = "\ufeff"
#: Lines that a header may have, line breaks in quoted names included; and bytes that tell how lines end.
_HEADER_LINES, _SEEN = 50, 1 << 20


@dataclass(frozen=True)
class Layout:
    """How a file is to be read: its separator, its columns, and whether the first row names them."""

    separator: str
    columns: tuple[str, ...]
    header: bool


def find_layout(
    path: Place, name: str, wanted: Sequence[str], columns: Sequence[str] = (), separator: str | None = None
) -> Layout:
    """The layout under which the first row has the wanted columns, or as many as ``columns`` names.

    Without a separator the first of ``SEPARATORS`` that fits is taken. A ConfigError, which begins with
    ``name``, shows the first row where none does, or says which wanted column is there twice.
    """
    missing = sorted(set(wanted) - set(columns))
    if columns and missing:
        raise ConfigError(f"{name}: columns does not name {', '.join(missing)}")
    for candidate in [separator] if separator else SEPARATORS:
        names = _first_record(path, candidate)
        if columns and len(names) == len(columns):
            return Layout(candidate, _told_apart(path, name, columns, wanted), header=False)
        if not columns and set(wanted) <= set(names):
            return Layout(candidate, _told_apart(path, name, names, wanted), header=True)
    expected = f"{len(columns)} columns" if columns else f"the columns {', '.join(wanted)}"
    raise ConfigError(
        f"{name}: the first row of {path} does not have {expected}; "
        f"it is {_first_line(path).strip()[:200]!r}; see separator, columns and the names of columns"
    )


def source_layout(path: Place, source: Source, beside: Sequence[str] = ()) -> Layout:
    """The layout of a source's file; the columns ``beside`` come from elsewhere."""
    wanted = [column for column in columns_used(source) if column not in beside]
    return find_layout(path, f"source {source.name}", wanted, source.columns, source.separator)


def _told_apart(path: Place, name: str, columns: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    twice = [column for column in wanted if columns.count(column) > 1]
    if twice:
        raise ConfigError(
            f"{name}: {path} has more than one column {', '.join(twice)}; rename all but one of them, "
            f"or name them anew with columns"
        )
    return tuple(columns)


def _first_line(path: Place) -> str:
    with _opened(path) as file:
        return _decode(file.readline())[0].removeprefix(_BOM)


def _first_record(path: Place, separator: str) -> list[str]:
    with _opened(path) as file:
        lines = islice(_Lines(file), _HEADER_LINES)
        try:
            return next(csv.reader(lines, delimiter=separator, strict=True), [])
        except csv.Error:  # a quote stays open under this separator
            return []


class _Returns(io.RawIOBase):
    """A file whose lines end in carriage returns alone, read as if they ended as others do."""

    def __init__(self, file: io.BufferedReader) -> None:
        self.file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = self.file.readinto(buffer)
        buffer[:count] = bytes(buffer[:count]).replace(b"\r", b"\n")
        return count

    def close(self) -> None:
        self.file.close()
        super().close()


def _opened(path: Place) -> io.BufferedReader:
    file = path.open("rb")
    start = file.read(_SEEN)
    file.seek(0)
    returns_alone = b"\r" in start.rstrip(b"\r") and b"\n" not in start
    return io.BufferedReader(_Returns(file)) if returns_alone else file


def _decode(line: bytes) -> tuple[str, bool]:
    """The line, and whether it is UTF-8; bytes that are not are kept as lone surrogates."""
    try:
        return line.decode(), True
    except UnicodeDecodeError:
        return line.decode(errors="surrogateescape"), False


class _Lines:
    """The lines of a file for ``csv.reader``, which can go back to the second line of the current record."""

    def __init__(self, file: io.BufferedReader) -> None:
        self.file = file
        self.number = 0  # lines read
        self.position = 0
        self.begin()

    def begin(self) -> None:
        self.first, self.second_at = self.number + 1, self.position

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.file.readline()
        if not line:
            raise StopIteration
        self.number += 1
        self.position += len(line)
        if self.number == self.first:
            self.second_at = self.position
        text = _decode(line)[0]
        return text.removeprefix(_BOM) if self.number == 1 else text

    def back_to_second(self) -> None:
        self.file.seek(self.second_at)
        self.number, self.position = self.first, self.second_at


def read_rows(
    path: Place, layout: Layout, field_limit: int = 1 << 20
) -> Iterator[tuple[int, list[str] | Refusal]]:
    """The line number and the values of every record; a Refusal in place of a bad one.

    Bytes that are not UTF-8 are lone surrogates. A quote that is never closed swallows the lines after it:
    so after a bad record that took several lines, reading goes on at its second line.
    """
    csv.field_size_limit(field_limit)
    with _opened(path) as file:
        lines = _Lines(file)
        reader = csv.reader(lines, delimiter=layout.separator, strict=True)
        if layout.header:
            next(reader, None)
        while True:
            lines.begin()
            try:
                values = next(reader, None)
            except csv.Error as error:
                yield lines.first, Refusal("malformed_row", f"{error}; a quote may be open, or too many")
            else:
                if values is None:
                    return
                if not values:  # an empty line is no record
                    continue
                if len(values) == len(layout.columns):
                    yield lines.first, values
                    continue
                detail = f"{len(values)} fields where {len(layout.columns)} are expected"
                yield lines.first, Refusal("malformed_row", detail)
            lines.back_to_second()
            reader = csv.reader(lines, delimiter=layout.separator, strict=True)


def read_batches(
    path: Place, part: str, layout: Layout, source: Source, limits: Ingest
) -> Iterator[pa.RecordBatch]:
    """The rows of a file as raw batches, those that could not be taken apart by themselves."""
    rows = read_rows(path, layout, limits.max_file_bytes)
    for block in blocks(rows):
        good = [(line, values) for line, values in block if not isinstance(values, Refusal)]
        refused = [{"part": part, "row": n} | r.columns for n, r in block if isinstance(r, Refusal)]
        if refused:
            yield refused_batch(source, refused)
        if good:
            lines, values = zip(*good, strict=True)
            by_column = dict(zip(layout.columns, zip(*values, strict=True), strict=False))
            columns = {name: bytes_of(by_column[name]) for name in columns_used(source)}
            yield raw_batch(source, columns, part, lines)
