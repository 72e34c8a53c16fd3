"""Entities and pairs that are shown with their items: plain data from rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xmer_spark.report import data as report

#: A row of a table: its values by column.
Row = Mapping[Any, Any]

NEVER_KEPT = "no candidate, or improbable beyond review"


def entity(row: Row, items: Iterable[Row]) -> report.Entity:
    """An entity with its items, and after these the items that the truth says it lacks.

    ``items`` are rows of items with the entity that each was put into. An entity is what most of its items
    of known truth are; where none is known, nothing is said of the truth.
    """
    items = list(items)
    inside = [item for item in items if item["entity_id"] == row["entity_id"]]
    truth = _most_frequent(item["entity"] for item in inside if item["entity"] is not None)
    found = [shown(item, item["confidence"], _truth_of(item, truth)) for item in inside]
    if truth is not None:
        absent = (i for i in items if i["entity"] == truth and i["entity_id"] != row["entity_id"])
        found += [shown(item, truth="missing") for item in absent]
    return report.Entity(
        row["entity_id"], row["title"], found, row["label"], float(row["cohesion"]), float(row["lowest_link"])
    )


def _most_frequent(names: Iterable[str]) -> str | None:
    """The name that comes most often, the first in the alphabet of several; None of none."""
    counted = Counter(names)
    return min(counted, key=lambda name: (-counted[name], name)) if counted else None


def _truth_of(item: Row, truth: str | None) -> report.Truth | None:
    if truth is None:
        return None
    return "right" if item["entity"] == truth else "wrong"


def shown(row: Row, probability: float | None = None, truth: report.Truth | None = None) -> report.Item:
    """An item as the page shows it."""
    return report.Item(
        item_id=row["item_id"],
        source=row["source"],
        modality=row["modality"],
        text=row["text"],
        image=row["image"],
        attributes=dict(row["attributes"] or {}),
        probability=None if probability is None else float(probability),
        truth=truth,
    )


def scored_pair(row: Row, items: Mapping[str, Row]) -> report.ScoredPair:
    """A match with its evidence; ``items`` are rows by id."""
    left, right = (shown(items[row[side]]) for side in ("left_id", "right_id"))
    evidence = {name: value for name, value in row["evidence"].items() if name != "attributes"}
    return report.ScoredPair(left, right, float(row["probability"]), evidence)


def unscored_pairs(pairs: Sequence[tuple[Any, Any]], items: Mapping[Any, Row]) -> list[report.ScoredPair]:
    """Pairs that were never scored, or not kept; ``items`` are rows by what the pairs name them by."""
    return [report.ScoredPair(shown(items[a]), shown(items[b]), None, note=NEVER_KEPT) for a, b in pairs]
