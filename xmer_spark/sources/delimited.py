"""Rows of csv and list files, such that a broken row costs no good one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from xmer_spark.config import Source
from xmer_spark.errors import ConfigError
from xmer_spark.sources.records import Refusal

SEPARATORS = ("\t", ",", ";", "|", "%")
_BOM = "\ufeff"


@dataclass(frozen=True)
class Layout:
    """How a file is to be read: its separator, its columns, and whether the first row names them."""

    separator: str
    columns: tuple[str, ...]
    header: bool


def find_layout(path: Path, source: Source, wanted: list[str]) -> Layout:
    """The layout under which the first row has the wanted columns.

    Without a configured separator the first of ``SEPARATORS`` that fits is taken. A ConfigError shows the
    first row where none does.
    """
    missing = sorted(set(wanted) - set(source.columns))
    if source.columns and missing:
        raise ConfigError(f"source {source.name}: columns does not name {', '.join(missing)}")
    first = _first_line(path)
    for separator in [source.separator] if source.separator else SEPARATORS:
        names = next(csv.reader([first], delimiter=separator), [])
        if source.columns and len(names) == len(source.columns):
            return Layout(separator, tuple(source.columns), header=False)
        if not source.columns and set(wanted) <= set(names):
            return Layout(separator, tuple(names), header=True)
    expected = f"{len(source.columns)} columns" if source.columns else f"the columns {', '.join(wanted)}"
    raise ConfigError(
        f"source {source.name}: the first row of {path} does not have {expected}; "
        f"it is {first.strip()[:200]!r}; see separator, columns and the names of columns"
    )


def _first_line(path: Path) -> str:
    with path.open("rb") as file:
        return _decode(file.readline())[0].removeprefix(_BOM)


def _decode(line: bytes) -> tuple[str, bool]:
    """The line, and whether it is UTF-8; bytes that are not are kept as lone surrogates."""
    try:
        return line.decode(), True
    except UnicodeDecodeError:
        return line.decode(errors="surrogateescape"), False


class _Lines:
    """The lines of a file for ``csv.reader``, which can go back to the second line of the current record."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.number = 0  # lines read
        self.position = 0
        self.begin()

    def begin(self) -> None:
        self.first, self.clean, self.second_at = self.number + 1, True, self.position

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.file.readline()
        if not line:
            raise StopIteration
        text, clean = _decode(line)
        self.number += 1
        self.position += len(line)
        self.clean &= clean
        if self.number == self.first:
            self.second_at = self.position
        return text.removeprefix(_BOM) if self.number == 1 else text

    def back_to_second(self) -> None:
        self.file.seek(self.second_at)
        self.number, self.position = self.first, self.second_at


def read_rows(
    path: Path, layout: Layout, field_limit: int = 1 << 20
) -> Iterator[tuple[int, dict[str, str] | Refusal]]:
    """The line number and the fields, by column, of every record; a Refusal in place of a bad one.

    A quote that is never closed swallows the lines after it. So after a bad record that took several
    lines, reading goes on at its second line.
    """
    csv.field_size_limit(field_limit)
    with path.open("rb") as file:
        lines = _Lines(file)
        reader = csv.reader(lines, delimiter=layout.separator, strict=True)
        if layout.header:
            next(reader, None)
        while True:
            lines.begin()
            try:
                fields = next(reader, None)
                if fields is None:
                    return
                if fields:  # an empty line is no record
                    yield lines.first, _record(fields, layout, lines.clean)
            except csv.Error as error:
                yield lines.first, Refusal("malformed_row", f"{error}; a quote may be open, or too many")
            except Refusal as refusal:
                yield lines.first, refusal
                if refusal.reason != "malformed_row":
                    continue
            else:
                continue
            lines.back_to_second()
            reader = csv.reader(lines, delimiter=layout.separator, strict=True)


def _record(fields: list[str], layout: Layout, clean: bool) -> dict[str, str]:
    if len(fields) != len(layout.columns):
        raise Refusal("malformed_row", f"{len(fields)} fields where {len(layout.columns)} are expected")
    if not clean:
        bad = [name for name, field in zip(layout.columns, fields, strict=True) if not _is_unicode(field)]
        raise Refusal("not_utf8", f"column {', '.join(bad)} holds bytes that are not UTF-8")
    return dict(zip(layout.columns, fields, strict=True))


def _is_unicode(text: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in text)
