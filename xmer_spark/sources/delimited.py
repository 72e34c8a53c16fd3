"""Rows of csv and list files, such that a broken row costs no good one."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place
from xmer_spark.sources.columns import as_wanted, check_once, columns_used
from xmer_spark.sources.lines import lines
from xmer_spark.sources.records import Refusal, blocks, bytes_of, raw_batch, refused_batch

SEPARATORS = ("\t", ",", ";", "|", "%")
#: Lines that a header may have, line breaks in quoted names included.
_HEADER_LINES = 50
_ABOUT_SEPARATOR = re.compile(r"sep=\W?", re.IGNORECASE)
_RETURN = re.compile(r"\r(?!\n)")
_NOT_DECODED = re.compile(r"[\udc80-\udcff]")


@dataclass(frozen=True)
class Layout:
    """How a file is to be read: its separator, its columns, and whether the first row names them."""

    separator: str
    columns: tuple[str, ...]
    header: bool

    def fitted(self, values: list[str]) -> list[str] | Refusal:
        """A record's values, one of each column; a Refusal where there are not as many.

        Nothing is lost with empty values at the end that stand in no column, nor with columns at the end
        that have neither name nor value.
        """
        width = len(self.columns)
        if not any(value.strip() for value in values[width:]) and not any(self.columns[len(values) :]):
            return values[:width] + [""] * (width - len(values))
        return Refusal("malformed_row", f"{len(values)} fields where {width} are expected")


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
    if separator and (len(separator) > 1 or separator in '"\r\n'):
        raise ConfigError(f"{name}: separator: {separator!r} cannot be one; name a single sign, such as ';'")
    for candidate in [separator] if separator else SEPARATORS:
        first = _first_record(path, candidate)
        layout = Layout(candidate, tuple(columns or as_wanted(first, wanted)), header=not columns)
        if first and (_fits(layout, first) if columns else set(wanted) <= set(layout.columns)):
            check_once(name, path, layout.columns, wanted)
            return layout
    raise ConfigError(f"{name}: {_unlike(path, wanted, columns)}")


def _fits(layout: Layout, values: list[str]) -> bool:
    return not isinstance(layout.fitted(values), Refusal)


def _unlike(path: Place, wanted: Sequence[str], columns: Sequence[str]) -> str:
    """How a file differs from what is expected of it."""
    first = _first_line(path)
    if not first:
        return f"{path} is empty"
    expected = f"{len(columns)} columns" if columns else f"the columns {', '.join(wanted)}"
    advice = "see separator, columns and the names of columns"
    if _NOT_DECODED.search(first):
        advice = "it holds bytes that are not UTF-8: save the file as UTF-8"
    return f"the first row of {path} does not have {expected}; it is {first[:200]!r}; {advice}"


def source_layout(path: Place, source: Source, beside: Sequence[str] = ()) -> Layout:
    """The layout of a source's file; the columns ``beside`` come from elsewhere."""
    wanted = [column for column in columns_used(source) if column not in beside]
    return find_layout(path, f"source {source.name}", wanted, source.columns, source.separator)


def is_empty(path: Place) -> bool:
    """Whether there is nothing but white space in a file, not even names of columns."""
    return not _first_line(path)


def _first_line(path: Place) -> str:
    return next((line.strip() for line in lines(path) if line.strip()), "")


def _first_record(path: Place, separator: str) -> list[str]:
    try:
        return _begun(islice(lines(path), _HEADER_LINES), separator)
    except csv.Error:  # a quote stays open under this separator
        return []


def _begun(rest: Iterator[str], separator: str) -> list[str]:
    """The first record that says something; spreadsheets may write a line about the separator before it."""
    for values in _reader(rest, separator):
        if values and not _ABOUT_SEPARATOR.fullmatch("".join(values)):
            return values
    return []


def _reader(rest: Iterator[str], separator: str) -> Iterator[list[str]]:
    """Spaces may stand between a separator and a quote."""
    return csv.reader(rest, delimiter=separator, strict=True, skipinitialspace=separator != " ")


class _Lines:
    """The lines of a file for ``csv.reader``, which can go back to the second line of the current record."""

    def __init__(self, path: Place) -> None:
        self.rest = lines(path)
        self.again = deque[str]()
        self.first, self.taken = 1, list[str]()  # of the current record

    def begin(self) -> None:
        self.first, self.taken = self.first + len(self.taken), []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.again.popleft() if self.again else next(self.rest)
        self.taken.append(line)
        return line

    def back_to_second(self) -> None:
        self.again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def read_rows(
    path: Place, layout: Layout, field_limit: int = 1 << 20
) -> Iterator[tuple[int, list[str] | Refusal]]:
    """The line number and the values of every record; a Refusal in place of a bad one.

    Bytes that cannot be decoded are lone surrogates. A quote that is never closed swallows the lines after
    it: so after a bad record that took several lines, reading goes on at its second line.
    """
    csv.field_size_limit(field_limit)
    rest = _Lines(path)
    if layout.header:
        _begun(rest, layout.separator)
    reader = _reader(rest, layout.separator)
    while True:
        rest.begin()
        try:
            values = next(reader, None)
        except csv.Error as error:
            refusal = Refusal("malformed_row", f"{error}; a quote may be open, or too many")
            found = _parted(rest.taken[0], layout) or [refusal]
        else:
            if values is None:
                return
            if not values:  # an empty line is no record
                continue
            found = [layout.fitted(values)]
        for record in found:
            yield rest.first, record
        if isinstance(found[0], Refusal):
            rest.back_to_second()
            reader = _reader(rest, layout.separator)


def _parted(line: str, layout: Layout) -> list[list[str] | Refusal]:
    """The records of a line in which carriage returns, too, end records; none where one does not fit."""
    records = list[list[str] | Refusal]()
    try:
        for values in _reader(iter(_RETURN.split(line)), layout.separator):
            records.append(layout.fitted(values))
    except csv.Error:
        return []
    return [] if any(isinstance(record, Refusal) for record in records) else records


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
