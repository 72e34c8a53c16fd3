"""A source read without Spark: reader and check one after the other, as a task does them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xmer_spark.config import Ingest, Source
from xmer_spark.sources import REGISTRY
from xmer_spark.sources.check import check
from xmer_spark.sources.place import folder_of, locate


@dataclass
class Found:
    """What became of a source: its usable records by key, in the order of the input, and its refusals."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    refusals: list[tuple[str | None, str | None, str]] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def values(self, name: str) -> dict[str, Any]:
        """A scalar's value, or a content, by key."""
        return {
            key: record["fields"].get(name, record["items"].get(name)) for key, record in self.records.items()
        }


def read(root: Path, *, limits: dict[str, Any] | None = None, **keys: Any) -> Found:
    """A source, given by its keys, in the folder ``root``; of a key that comes twice the last record."""
    source = Source.model_validate({"name": "s"} | keys)
    settings, path, found = Ingest.model_validate(limits or {}), locate(source, root), Found()
    reader = REGISTRY.build(source.kind, {"source": source, "path": path})
    for part in reader.parts():
        for batch in check(reader.read(part, settings), source, settings, folder_of(path)):
            for row in batch.to_pylist():
                _note(found, row)
    return found


def _note(found: Found, row: dict[str, Any]) -> None:
    where = row["key"] or f"{row['part']}:{row['row']}"
    found.refusals += [(where, refusal["field"], refusal["reason"]) for refusal in row["refusals"]]
    found.details += [refusal["detail"] for refusal in row["refusals"]]
    found.missing += row["missing"]
    if row["usable"]:
        items = {item["field"]: item["text"] or item["image"] or item["vector"] for item in row["items"]}
        found.records[row["key"]] = row | {"fields": dict(row["fields"]), "items": items}
