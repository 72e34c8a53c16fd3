"""The shape of a raw record, which every reader yields, and of a refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

import pyarrow as pa

from xmer_spark.config import Ingest, Source

#: A record as it was read, its content still unexamined and, where ``uri`` names a file, not yet loaded.
RAW = {
    "part": "string",  # the file the record stands in
    "row": "bigint",  # its line or row there, unless it is the whole file
    "key": "string",
    "record": "string",
    "label": "string",
    "entity": "string",
    "split": "string",
    "attributes": "map<string,string>",
    "uri": "string",
    "content": "binary",
    "vector": "array<float>",
    "reason": "string",
    "detail": "string",
    "bytes_seen": "bigint",
}
#: What examining the content finds out.
FINDINGS = {
    "text": "string",
    "image": "binary",
    "content_hash": "string",
    "reason": "string",
    "detail": "string",
    "bytes_seen": "bigint",
}
CHECKED = {name: type_ for name, type_ in RAW.items() if name != "content"} | FINDINGS
ROLES = ("key", "record", "label", "entity", "split")

_ARROW = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "binary": pa.binary(),
    "map<string,string>": pa.map_(pa.string(), pa.string()),
    "array<float>": pa.list_(pa.float32()),
}
_ROWS_A_BATCH = 512


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

    def parts(self) -> list[str]:
        """On the driver: what one task each reads; a ConfigError where it is not what is configured."""

    def read(self, part: str, limits: Ingest) -> Iterator[pa.RecordBatch]:
        """On an executor: the raw records of one part."""


def ddl(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in columns.items())


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    return pa.schema([(name, _ARROW[type_]) for name, type_ in columns.items()])


def batches(rows: Iterable[Mapping[str, Any]]) -> Iterator[pa.RecordBatch]:
    """Raw records as Arrow batches; what a row does not have is null."""
    schema, rest = arrow_schema(RAW), iter(rows)
    while block := list(islice(rest, _ROWS_A_BATCH)):
        yield pa.RecordBatch.from_pylist(block, schema)


def roles(source: Source) -> dict[str, str]:
    """Which column plays which role, for the roles that the configuration names."""
    named = {role: getattr(source, role) for role in ROLES}
    return {role: column for role, column in named.items() if column is not None}


def columns_used(source: Source) -> list[str]:
    """The columns that the configuration names, each once."""
    names = [*roles(source).values(), *([source.content] if source.content else []), *source.attributes]
    return list(dict.fromkeys(names))


def label_names(source: Source) -> dict[str, str]:
    """What a label column that holds numbers means; empty where it holds the labels themselves."""
    return {str(number): name for number, name in enumerate(source.labels, 1)} if source.label_numbers else {}


def raw_record(source: Source, row: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, Any]:
    """The roles and attributes of one row; an empty field is an absent value."""
    record: dict[str, Any] = {role: row[column] or None for role, column in columns.items()}
    record.setdefault("record", record["key"])
    if (label := record.get("label")) is not None:
        record["label"] = label_names(source).get(label, label)
    attributes = {name: row[name] for name in source.attributes if row[name].strip()}
    return record | {"attributes": attributes or None}
