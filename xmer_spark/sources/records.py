"""What a reader yields: a record's columns as they stand, none of them understood yet; and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

import pyarrow as pa
from pyarrow import types as kinds

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place
from xmer_spark.sources.columns import column_types, columns_used, field_columns, file_pattern

Row = TypeVar("Row")

#: Where a record stands, and why a row that could not even be taken apart is refused.
PLACE = {
    "part": pa.string(),  # the file the record stands in
    "row": pa.int64(),  # its line or row there, unless it is the whole file
    "reason": pa.string(),
    "detail": pa.string(),
    "bytes_seen": pa.int64(),
}
#: Rows that a reader hands on at a time.
ROWS_A_BATCH = 2048


def blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows a batch at a time."""
    rest = iter(rows)
    while block := list(islice(rest, ROWS_A_BATCH)):
        yield block


class Refusal(Exception):
    """One input cannot be used: a reason of ``schema.REJECT_REASONS``, and what exactly is wrong."""

    def __init__(self, reason: str, detail: str, bytes_seen: int | None = None) -> None:
        super().__init__(reason, detail, bytes_seen)
        self.reason, self.detail, self.bytes_seen = reason, detail, bytes_seen

    @property
    def columns(self) -> dict[str, Any]:
        return {"reason": self.reason, "detail": self.detail, "bytes_seen": self.bytes_seen}


class Reader(Protocol):
    """Reads one kind of input. Made from a source and the place it was found at."""

    def parts(self) -> list[Any]:
        """On the driver: what one task each reads; a ConfigError where it is not what is configured."""

    def read(self, part: Any, limits: Ingest) -> Iterator[pa.RecordBatch]:
        """On an executor: the raw batches (``raw_schema``) of one part."""


def raw_schema(source: Source) -> pa.Schema:
    """Columns of a raw batch: ``PLACE``, and ``column_0``, ... for each of ``columns_used`` in its order.

    The source's own names stay out of it: they may hold dots, or differ in the case of letters only.
    """
    used = column_types(source).values()
    columns = {f"column_{place}": type_ for place, type_ in enumerate(used)}
    return pa.schema([*PLACE.items(), *columns.items()])


def raw_ddl(source: Source) -> str:
    """The same as a Spark schema string."""
    names = {pa.string(): "string", pa.int64(): "bigint", pa.binary(): "binary"}
    return ", ".join(f"{f.name} {names.get(f.type, 'array<float>')}" for f in raw_schema(source))


def raw_batch(
    source: Source, columns: Mapping[str, pa.Array], parts: str | pa.Array, rows: Sequence[int] | pa.Array
) -> pa.RecordBatch:
    """A raw batch of the used ones of these columns, whatever their Arrow types are."""
    schema, length = raw_schema(source), len(next(iter(columns.values())))
    part = pa.repeat(pa.scalar(parts, pa.string()), length) if isinstance(parts, str) else parts
    place = [part, pa.array(rows, pa.int64()), *(pa.nulls(length, PLACE[n]) for n in list(PLACE)[2:])]
    types = column_types(source)
    values = [as_raw(columns[name], types[name]) for name in columns_used(source)]
    return pa.RecordBatch.from_arrays([*place, *values], schema=schema)


def refused_batch(source: Source, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """A raw batch of rows that are refused: columns of ``PLACE``, and of the source's by their names."""
    names = {name: f"column_{place}" for place, name in enumerate(columns_used(source))}
    named = [{names.get(name, name): value for name, value in row.items()} for row in rows]
    return pa.RecordBatch.from_pylist(named, raw_schema(source))


def columns_of(batch: pa.RecordBatch, source: Source) -> dict[str, pa.Array]:
    """The used columns of a raw batch, by the source's names."""
    return {name: batch.column(f"column_{place}") for place, name in enumerate(columns_used(source))}


def as_raw(values: pa.Array | pa.ChunkedArray, type_: pa.DataType) -> pa.Array:
    """A column as bytes: strings as they stand, valid UTF-8 or not, numbers as digits, lists as JSON.

    >>> as_raw(pa.array([1, None]), pa.binary()).to_pylist()
    [b'1', None]
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if kinds.is_dictionary(values.type):
        values = values.dictionary_decode()
    if type_ != pa.binary() or is_text(values.type) or is_bytes(values.type):
        return values.cast(type_)
    if kinds.is_nested(values.type):
        return pa.array([None if v is None else json.dumps(v, default=str) for v in values.to_pylist()]).cast(
            type_
        )
    return values.cast(pa.string()).cast(type_)


def check_types(source: Source, path: Place, types: Mapping[str, pa.DataType]) -> None:
    """Raise a ConfigError where a table lacks a column, or has contents in one that they cannot stand in."""
    missing = [column for column in columns_used(source) if column not in types]
    if missing:
        raise ConfigError(
            f"source {source.name}: {path} has no column {', '.join(missing)}; it has {', '.join(types)}"
        )
    for name, field in source.contents().items():
        (column, *_), in_file = field_columns(source, name, field), file_pattern(source, field) is not None
        type_ = types[column]
        if field.type == "image" and not in_file and not is_bytes(type_):
            raise ConfigError(
                f"source {source.name}: fields.{name}: {column} is {type_}, not the bytes of pictures; "
                f'where it names files, set file = "{{{column}}}"'
            )
        if field.type == "text" and not in_file and not (is_bytes(type_) or is_text(type_)):
            raise ConfigError(f"source {source.name}: fields.{name}: {column} is {type_}, not bytes or text")
        if field.type == "vector" and not kinds.is_nested(type_):
            raise ConfigError(
                f"source {source.name}: fields.{name}: {column} is {type_}, not lists of numbers"
            )


def is_bytes(type_: pa.DataType) -> bool:
    return kinds.is_binary(type_) or kinds.is_large_binary(type_)


def is_text(type_: pa.DataType) -> bool:
    """Whether a column holds strings, encoded by a dictionary or not."""
    plain = type_.value_type if kinds.is_dictionary(type_) else type_
    return kinds.is_string(plain) or kinds.is_large_string(plain)


def bytes_of(values: Sequence[str | None]) -> pa.Array:
    """Strings as bytes; lone surrogates become the bytes that they stand for."""
    try:
        return pa.array(values, pa.string()).cast(pa.binary())
    except UnicodeEncodeError:
        return pa.array([None if v is None else v.encode(errors="surrogateescape") for v in values])
