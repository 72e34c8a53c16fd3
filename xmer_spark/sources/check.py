"""Raw records -> checked records: their content loaded, examined and hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from xmer_spark.config import Ingest, Source
from xmer_spark.schema import SPLITS
from xmer_spark.sources.files import limited, load
from xmer_spark.sources.images import check_image
from xmer_spark.sources.records import CHECKED, FINDINGS, Refusal, arrow_schema
from xmer_spark.sources.texts import read_text
from xmer_spark.sources.vectors import check_vectors

#: What a source's content is: its modality, or vectors that were computed from it elsewhere.
Content = Literal["image", "text", "relational", "vector"]
Finding = dict[str, Any]

#: Bytes of content that one batch of results holds.
_BATCH_BYTES = 32 << 20


def check(
    batches: Iterable[pa.RecordBatch], source: Source, content: Content, limits: Ingest, root: Path
) -> Iterator[pa.RecordBatch]:
    """Batches with the columns ``CHECKED``: the order of rows is kept, and a refused row says why.

    Files are looked for in the folder ``root``. Rows that were refused before are passed on as they are.
    """
    for unchecked in batches:
        batch = _refuse_bad_columns(unchecked, source)
        if content == "vector":
            yield _with_findings(batch, check_vectors(batch.column("vector")))
        elif content == "relational":
            yield _with_findings(batch, [_relational(row) for row in batch.column("attributes").to_pylist()])
        else:
            yield from _by_size(batch, _image if content == "image" else _text, limits, root)


def _refuse_bad_columns(batch: pa.RecordBatch, source: Source) -> pa.RecordBatch:
    """Refuse rows for what stands in their columns, whatever their content is."""
    names = ("reason", "detail", "key", "record", "label", "split")
    columns = [batch.column(name).to_pylist() for name in names]
    verdicts = [
        (reason, detail) if reason else _verdict(source, *values)
        for reason, detail, *values in zip(*columns, strict=True)
    ]
    for place, name in enumerate(names[:2]):
        column = pa.array([verdict[place] for verdict in verdicts], pa.string())
        batch = batch.set_column(batch.schema.get_field_index(name), name, column)
    return batch


def _verdict(
    source: Source, key: str | None, record: str | None, label: str | None, split: str | None
) -> tuple[str | None, str | None]:
    if not (key or "").strip():
        return "missing_key", f"no value in the column of the key, {source.key or 'key'}"
    if not (record or "").strip():
        return "missing_key", f"no value in the column of the record, {source.record or 'record'}"
    if source.labels and label is not None and label not in source.labels:
        return "unknown_label", f"the label is {label!r}; allowed: {', '.join(source.labels)}"
    if split is not None and split not in SPLITS:
        return "malformed_row", f"the split is {split!r}; allowed: {', '.join(SPLITS)}"
    return None, None


def _by_size(
    batch: pa.RecordBatch, examine: Callable[[bytes, Ingest], Finding], limits: Ingest, root: Path
) -> Iterator[pa.RecordBatch]:
    """Files may be large: a batch goes out whenever enough has come together."""
    start, size, findings = 0, 0, list[Finding]()
    columns = (batch.column(name).to_pylist() for name in ("reason", "uri"))
    for row, (reason, uri) in enumerate(zip(*columns, strict=True)):
        content = batch.column("content")[row].as_py()
        finding = {} if reason else _examined(content, uri, examine, limits, root)
        findings.append(finding)
        size += len(finding.get("image") or finding.get("text") or "")
        if size >= _BATCH_BYTES:
            yield _with_findings(batch.slice(start, len(findings)), findings)
            start, size, findings = row + 1, 0, []
    yield _with_findings(batch.slice(start), findings)


def _examined(
    content: bytes | None,
    uri: str | None,
    examine: Callable[[bytes, Ingest], Finding],
    limits: Ingest,
    root: Path,
) -> Finding:
    try:
        if uri is not None:
            return examine(load(root, uri, limits.max_file_bytes), limits)
        return examine(limited(content or b"", limits.max_file_bytes), limits)
    except Refusal as refusal:
        return refusal.columns


def _image(content: bytes, limits: Ingest) -> Finding:
    check_image(content, limits.max_image_pixels)
    return {"image": content, "content_hash": hashlib.sha256(content).hexdigest()}


def _text(content: bytes, limits: Ingest) -> Finding:
    text = read_text(content)
    return {"text": text, "content_hash": hashlib.sha256(text.encode()).hexdigest()}


def _relational(attributes: list[tuple[str, str]] | None) -> Finding:
    if not attributes:
        return Refusal("empty_text", "all attributes are empty", 0).columns
    document = json.dumps(dict(attributes), sort_keys=True)
    return {"content_hash": hashlib.sha256(document.encode()).hexdigest()}


def _with_findings(batch: pa.RecordBatch, findings: list[Finding]) -> pa.RecordBatch:
    before = [batch.column(name).to_pylist() for name in ("reason", "detail", "bytes_seen")]
    refused = [
        {"reason": reason, "detail": detail, "bytes_seen": size} if reason else finding
        for reason, detail, size, finding in zip(*before, findings, strict=True)
    ]
    schema = arrow_schema(CHECKED)
    arrays = [
        pa.array([finding.get(name) for finding in refused], schema.field(name).type)
        if name in FINDINGS
        else batch.column(name)
        for name in CHECKED
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(CHECKED))
