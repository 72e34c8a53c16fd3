"""What a reader yields: a record's columns as they stand, none of them understood yet; and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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
    values = [_as_raw(source, name, columns[name], type_) for name, type_ in column_types(source).items()]
    return pa.RecordBatch.from_arrays([*place, *values], schema=schema)


def _as_raw(source: Source, name: str, values: pa.Array | pa.ChunkedArray, type_: pa.DataType) -> pa.Array:
    try:
        return as_raw(values, type_)
    except MemoryError:
        raise
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise ConfigError(
            f"source {source.name}: column {name} holds {values.type}, and a value of it cannot be read "
            f"({error}); write the column as strings"
        ) from error


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
    if isinstance(values.type, pa.UuidType):
        return pa.array([None if v is None else str(v) for v in values.to_pylist()], pa.string()).cast(type_)
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if kinds.is_null(values.type):
        return pa.nulls(len(values), type_)
    if type_ != pa.binary():
        return _as_lists(values, type_)
    if kinds.is_nested(values.type):
        documents = [None if v is None else json.dumps(v, default=_told) for v in values.to_pylist()]
        return pa.array(documents, pa.string()).cast(type_)
    return values.cast(type_) if is_text(values.type) or is_bytes(values.type) else _as_digits(values)


def _as_digits(values: pa.Array) -> pa.BinaryArray:
    return values.cast(pa.string()).cast(pa.binary())


def _as_lists(values: pa.Array, type_: pa.ListType) -> pa.ListArray:
    """Lists of numbers of any kind; numbers that float32 does not hold exactly are rounded."""
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    numbers = pc.list_flatten(values).cast(type_.value_type, safe=False)
    return pa.ListArray.from_arrays(offsets, numbers, mask=pc.is_null(values))


def _told(value: Any) -> str:
    """What JSON has no form for: bytes as the text that they are, and else as Python shows it."""
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)


def check_types(source: Source, path: Place, types: Mapping[str, pa.DataType]) -> None:
    """Raise a ConfigError where a table lacks a column, or has contents in one that they cannot stand in."""
    missing = [column for column in columns_used(source) if column not in types]
    if missing:
        raise ConfigError(
            f"source {source.name}: {path} has no column {', '.join(missing)}; it has {', '.join(types)}"
        )
    for name, field in source.contents().items():
        (column, *_), in_file = field_columns(source, name, field), file_pattern(source, field) is not None
        type_ = _stored(types[column])
        if kinds.is_null(type_) or in_file:
            continue
        if field.type == "image" and not is_bytes(type_):
            raise ConfigError(
                f"source {source.name}: fields.{name}: {column} is {type_}, not the bytes of pictures; "
                f'where it names files, set file = "{{{column}}}"'
            )
        if field.type == "text" and not (is_bytes(type_) or is_text(type_)):
            raise ConfigError(f"source {source.name}: fields.{name}: {column} is {type_}, not bytes or text")
        if field.type == "vector" and not _is_vector(type_):
            raise ConfigError(
                f"source {source.name}: fields.{name}: {column} is {type_}, not lists of numbers"
            )


def _stored(type_: pa.DataType) -> pa.DataType:
    """The type of a column's values, whatever encodes them."""
    if isinstance(type_, pa.BaseExtensionType):
        return type_.storage_type
    return type_.value_type if kinds.is_dictionary(type_) else type_


def _is_vector(type_: pa.DataType) -> bool:
    lists = kinds.is_list(type_) or kinds.is_large_list(type_) or kinds.is_fixed_size_list(type_)
    if not (lists or kinds.is_list_view(type_) or kinds.is_large_list_view(type_)):
        return False
    value = type_.value_type
    return any(is_(value) for is_ in (kinds.is_floating, kinds.is_integer, kinds.is_decimal, kinds.is_null))


def is_bytes(type_: pa.DataType) -> bool:
    plain = kinds.is_binary(type_) or kinds.is_large_binary(type_) or kinds.is_binary_view(type_)
    return plain or kinds.is_fixed_size_binary(type_)


def is_text(type_: pa.DataType) -> bool:
    return kinds.is_string(type_) or kinds.is_large_string(type_) or kinds.is_string_view(type_)


def bytes_of(values: Sequence[str | None]) -> pa.Array:
    """Strings as bytes; lone surrogates become the bytes that they stand for, or others that are no UTF-8."""
    try:
        return pa.array(values, pa.string()).cast(pa.binary())
    except UnicodeEncodeError:
        return pa.array([None if value is None else _bytes(value) for value in values], pa.binary())


def _bytes(value: str) -> bytes:
    try:
        return value.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # half a pair, as JSON can write it
        return value.encode(errors="surrogatepass")
