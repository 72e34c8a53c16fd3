"""Entities and pairs that are shown with their records: plain data from rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xmer_spark.report import data as report

#: A row of a table: its values by column.
Row = Mapping[Any, Any]

NEVER_KEPT = "no candidate, or improbable beyond review"


def entity(row: Row, records: Iterable[Row]) -> report.Entity:
    """An entity with its records, and after these the records that the truth says it lacks.

    ``records`` are rows of records with the entity that each was put into. An entity is what most of its
    records of known truth are; where none is known, nothing is said of the truth.
    """
    records = list(records)
    inside = [each for each in records if each["entity_id"] == row["entity_id"]]
    truth = _most_frequent(each["entity"] for each in inside if each["entity"] is not None)
    found = [shown(each, each["confidence"], _truth_of(each, truth)) for each in inside]
    if truth is not None:
        absent = (r for r in records if r["entity"] == truth and r["entity_id"] != row["entity_id"])
        found += [shown(each, truth="missing") for each in absent]
    return report.Entity(
        row["entity_id"], row["title"], found, row["label"], float(row["cohesion"]), float(row["lowest_link"])
    )


def _most_frequent(names: Iterable[str]) -> str | None:
    """The name that comes most often, the first in the alphabet of several; None of none."""
    counted = Counter(names)
    return min(counted, key=lambda name: (-counted[name], name)) if counted else None


def _truth_of(record: Row, truth: str | None) -> report.Truth | None:
    if truth is None:
        return None
    return "right" if record["entity"] == truth else "wrong"


def shown(row: Row, probability: float | None = None, truth: report.Truth | None = None) -> report.Record:
    """A record as the page shows it: its contents, and its scalar fields by name."""
    contents = [
        report.Content(item["field"], item["modality"], item["text"], item["image"])
        for item in row["contents"] or ()
    ]
    return report.Record(
        record_id=row["record_id"],
        source=row["source"],
        contents=contents,
        fields=dict(sorted((row["fields"] or {}).items())),
        probability=None if probability is None else float(probability),
        truth=truth,
    )


def scored_pair(row: Row, records: Mapping[Any, Row]) -> report.ScoredPair:
    """A match with its evidence; ``records`` are rows by key."""
    left, right = (shown(records[row[side]]) for side in ("left_key", "right_key"))
    evidence = dict(sorted(row["evidence"].items()))
    return report.ScoredPair(left, right, float(row["decided"]), float(row["probability"]), evidence)


def unscored_pairs(pairs: Sequence[tuple[Any, Any]], records: Mapping[Any, Row]) -> list[report.ScoredPair]:
    """Pairs that were never scored, or not kept; ``records`` are rows by key."""
    return [report.ScoredPair(shown(records[a]), shown(records[b]), None, note=NEVER_KEPT) for a, b in pairs]
