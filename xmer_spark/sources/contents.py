"""One content -> what becomes of it: examined, hashed, or refused. The work that is done file by file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from xmer_spark.config import Ingest
from xmer_spark.files import Place
from xmer_spark.sources.files import limited, load
from xmer_spark.sources.images import usable_image
from xmer_spark.sources.records import Refusal
from xmer_spark.sources.texts import read_text

#: What is found out about one field of one record; what does not apply is null. ``value`` is a scalar's.
FINDINGS = {
    "value": pa.string(),
    "text": pa.string(),
    "image": pa.binary(),
    "vector": pa.list_(pa.float32()),
    "uri": pa.string(),
    "content_hash": pa.string(),
    "reason": pa.string(),
    "detail": pa.string(),
    "bytes_seen": pa.int64(),
}
Finding = dict[str, Any]


def examined(type_: str, content: bytes, limits: Ingest) -> Finding:
    """What is found out about an image or a text in bytes."""
    try:
        whole = limited(content, limits.max_file_bytes)
        if type_ == "text":
            text = read_text(whole, limits.null_values)
            return {"text": text, "content_hash": digest(text.encode())}
        return {"image": usable_image(whole, limits.max_image_pixels), "content_hash": digest(whole)}
    except Refusal as refusal:
        return refusal.columns


def loaded(type_: str, uri: str, limits: Ingest, root: Place) -> Finding:
    """What is found out about an image or a text in a file of the folder ``root``."""
    try:
        return {"uri": uri} | examined(type_, load(root, uri, limits.max_file_bytes), limits)
    except Refusal as refusal:
        return refusal.columns


def findings(rows: Sequence[Finding]) -> pa.RecordBatch:
    columns = [pa.array([row.get(name) for row in rows], type_) for name, type_ in FINDINGS.items()]
    return pa.RecordBatch.from_arrays(columns, names=list(FINDINGS))


def findings_of(length: int, **columns: pa.Array) -> pa.RecordBatch:
    """Findings from whole columns; those that are not given are null."""
    arrays = [columns.get(name, pa.nulls(length, type_)) for name, type_ in FINDINGS.items()]
    return pa.RecordBatch.from_arrays(arrays, names=list(FINDINGS))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digests(values: pa.StringArray) -> pa.StringArray:
    """The SHA-256 of each value, which Arrow does not have; null where that is."""
    contents = values.cast(pa.binary()).to_pylist()
    return pa.array([None if content is None else digest(content) for content in contents], pa.string())
