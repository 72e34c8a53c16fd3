"""A field of a batch of raw records -> what is found out about each of its values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.config import Field, Ingest, Source
from xmer_spark.files import Place
from xmer_spark.sources.canonical import canonical
from xmer_spark.sources.canonical.place import JOINT
from xmer_spark.sources.columns import field_columns, file_pattern, is_found, pattern_columns
from xmer_spark.sources.contents import Finding, digests, examined, findings_of, loaded
from xmer_spark.sources.pattern import filled
from xmer_spark.sources.strings import Strings, read_strings
from xmer_spark.sources.vectors import check_vectors

#: From a row's number to what is found out about its content; nothing where it has none.
Examine = Callable[[int], Finding]


class Columns:
    """The columns of a batch by name: as they stand, and read as strings where that is asked for."""

    def __init__(self, raw: dict[str, pa.Array], limits: Ingest, length: int) -> None:
        self.raw, self.limits, self.length = raw, limits, length
        self.as_strings: dict[str, Strings] = {}  # those that were asked for

    def strings(self, column: str) -> Strings:
        if column not in self.as_strings:
            self.as_strings[column] = read_strings(self.raw[column], self.limits.null_values)
        return self.as_strings[column]


def at_once(columns: Columns, source: Source, name: str, field: Field) -> pa.RecordBatch | None:
    """The findings of a field that is read as a whole; None of one whose contents are examined each."""
    own = field_columns(source, name, field)
    if field.type == "vector":
        return _vectors(columns.raw[own[0]])
    if file_pattern(source, field) is not None or is_found(source, field) or field.type == "image":
        return None
    parts = [columns.strings(column) for column in own]
    if field.type == "text":
        most = columns.limits.max_file_bytes
        if len(own) > 1:
            return _told(parts, most)
        return _texts(parts[0].whole, columns.raw[own[0]], parts[0].damaged, most)
    joined = pc.binary_join_element_wise(*(part.tidy for part in parts), JOINT)
    value, problems = canonical(joined, field)
    reason = pc.if_else(pc.is_valid(problems), "bad_value", None)
    damaged = np.logical_or.reduce([part.damaged for part in parts])
    return _unless(damaged, value=value, reason=reason, detail=problems)


def one_by_one(
    columns: Columns, labels: pa.StringArray, source: Source, name: str, field: Field, root: Place
) -> Examine:
    """What examines the content of a row, where contents are files or images.

    ``labels`` are the names of the records' classes, for file patterns with ``{label}``.
    """
    limits = columns.limits
    uris = paths(columns, labels, source, name, field)
    if uris is None:
        contents = columns.raw[field_columns(source, name, field)[0]]
        return _of_row(contents, lambda content: examined(field.type, content, limits))
    return _of_row(uris, lambda uri: loaded(field.type, uri, limits, root))


def paths(
    columns: Columns, labels: pa.StringArray, source: Source, name: str, field: Field
) -> pa.StringArray | None:
    """The file of each row's content, null where it has none; None of a field that names no files."""
    if is_found(source, field):
        return columns.raw[field_columns(source, name, field)[0]].cast(pa.string())
    pattern = file_pattern(source, field)
    if pattern is None:
        return None
    used = pattern_columns(source, name, field)
    values = {placeholder: columns.strings(column).tidy for placeholder, column in used.items()}
    return filled(pattern, values | {"label": labels}, columns.length)


_NOT_UTF8 = "the value holds bytes that are not UTF-8"


def _of_row(values: pa.Array, examine: Callable[[Any], Finding]) -> Examine:
    def of_row(row: int) -> Finding:
        value = values[row].as_py()
        return {} if value is None else examine(value)

    return of_row


def _vectors(vectors: pa.ListArray) -> pa.RecordBatch:
    vectors = vectors.cast(pa.list_(pa.float32()))
    hashes, problems = check_vectors(vectors)
    reason = pc.if_else(pc.is_valid(problems), "bad_vector", None)
    kept = pc.if_else(pc.is_valid(hashes), vectors, None)
    return findings_of(len(vectors), vector=kept, content_hash=hashes, reason=reason, detail=problems)


def _texts(texts: pa.StringArray, raw: pa.Array, damaged: np.ndarray, max_bytes: int) -> pa.RecordBatch:
    size = pc.fill_null(pc.binary_length(raw), 0)
    long = pc.greater(size, max_bytes)
    text = pc.if_else(long, None, texts)
    detail = pc.binary_join_element_wise(
        size.cast(pa.string()), f" bytes; ingest.max_file_bytes allows {max_bytes}", ""
    )
    return _unless(
        damaged, text=text, content_hash=digests(text),
        reason=pc.if_else(long, "file_too_large", None), detail=pc.if_else(long, detail, None),
    )  # fmt: skip


def _told(parts: list[Strings], max_bytes: int) -> pa.RecordBatch:
    """Several columns told as one text: their values in order, with commas between those that there are."""
    pieces = [pc.fill_null(pc.binary_join_element_wise(part.tidy, ", ", ""), "") for part in parts]
    text = pc.utf8_rtrim(pc.binary_join_element_wise(*pieces, ""), characters=", ")
    text = pc.if_else(pc.equal(text, ""), None, text)
    return _texts(text, text, np.logical_or.reduce([part.damaged for part in parts]), max_bytes)


def _unless(damaged: np.ndarray, **columns: pa.Array) -> pa.RecordBatch:
    """Findings from whole columns, but refused as no UTF-8 where ``damaged`` (n)."""
    if damaged.any():
        columns["reason"] = pc.if_else(pa.array(damaged), "not_utf8", columns["reason"])
        columns["detail"] = pc.if_else(pa.array(damaged), _NOT_UTF8, columns["detail"])
    return findings_of(len(damaged), **columns)
