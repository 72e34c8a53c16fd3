"""What became of entities, read from published tables without Spark."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from tests.published import publish, write_rows
from xmer_spark.errors import XmerError
from xmer_spark.steps.history import diff, history, where, write
from xmer_spark.store.published import Published

EVENTS = pa.schema(
    [
        ("run_id", pa.string()), ("kind", pa.string()), ("entity_id", pa.string()),
        ("others", pa.list_(pa.string())), ("records_before", pa.int32()), ("records_after", pa.int32()),
    ]
)  # fmt: skip
#: Record -> entity, of three resolutions: B goes into A, then A loses a record to C.
THEN = [
    {"s/1": "A", "s/2": "A", "s/3": "B", "s/4": "B"},
    {"s/1": "A", "s/2": "A", "s/3": "A", "s/4": "A"},
    {"s/1": "A", "s/2": "A", "s/3": "C", "s/5": "A"},
]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Published:
    root = tmp_path_factory.mktemp("history")
    for members in THEN:
        write_rows(
            root,
            "members",
            [{"record_id": record, "entity_id": entity} for record, entity in members.items()],
        )
    sizes = {"A": 3, "C": 1}
    write_rows(
        root,
        "entities",
        [{"entity_id": e, "title": e.lower(), "size": n, "sources": ["s"]} for e, n in sizes.items()],
    )
    events = [
        ("resolve-2", "split", "A", ["C"], 4, 3),
        ("resolve-2", "created", "C", ["A"], 0, 1),
        ("resolve-2", "retired", "D", [], 1, 0),
        ("resolve-1", "retired", "B", ["A"], 2, 0),
        ("resolve-1", "merged", "A", ["B"], 2, 4),
        ("resolve-0", "created", "A", [], 0, 2),
        ("resolve-0", "created", "B", [], 0, 2),
        ("resolve-0", "created", "D", [], 0, 1),
    ]
    rows = [dict(zip(EVENTS.names, event, strict=True)) for event in events]
    write_rows(root, "entity_events", rows, EVENTS)
    return publish(root, [{"members": n, "entities": 0, "entity_events": 0} for n in range(len(THEN))])


def test_an_old_id_leads_to_where_its_records_went(tables: Published) -> None:
    assert where(tables, "A")["entity_id"].to_pylist() == ["A", "C"]
    assert where(tables, "B")["entity_id"].to_pylist() == ["A", "C"]
    assert where(tables, "C")["entity_id"].to_pylist() == ["C"]
    assert where(tables, "D").num_rows == 0
    with pytest.raises(XmerError, match="there has never been an entity 'E'"):
        where(tables, "E")


def test_what_happened_to_an_entity_is_told_oldest_first(tables: Published, tmp_path: Path) -> None:
    found = history(tables, "A").to_pylist()
    assert [tuple(row.values())[2:] for row in found] == [
        ("created", [], 0, 2),
        ("merged", ["B"], 2, 4),
        ("split", ["C"], 4, 3),
    ]
    assert [(row["run"], row["when"].day) for row in found] == [(f"resolve-{n}", n + 1) for n in range(3)]
    write(history(tables, "A"), tmp_path / "A.csv")
    rows = pd.read_csv(tmp_path / "A.csv", dtype=str)
    assert rows["others"].fillna("").tolist() == ["", "B", "C"]
    assert rows["when"].str[:10].tolist() == ["2026-01-01", "2026-01-02", "2026-01-03"]
    with pytest.raises(XmerError, match="there has never been an entity 'E'"):
        history(tables, "E")


def test_two_resolutions_are_compared_record_by_record(tables: Published) -> None:
    changed, moved = diff(tables, None, None)
    assert changed.to_pylist() == [
        {"stayed": 2, "moved": 1, "came": 1, "gone": 1, "entities_before": 1, "entities_after": 2}
    ]
    assert moved.to_pylist() == [{"was": "A", "now": "C", "records": 1, "examples": ["s/3"]}]
    _, moved = diff(tables, "resolve-0", "resolve-1")
    assert moved.to_pylist() == [{"was": "B", "now": "A", "records": 2, "examples": ["s/3", "s/4"]}]


def test_what_cannot_be_compared_is_told(tables: Published) -> None:
    with pytest.raises(XmerError, match="ingest-1 is no finished resolution; `xmer runs` lists them"):
        diff(tables, "ingest-1", "resolve-1")
    with pytest.raises(XmerError, match="there is no resolution before that one"):
        diff(tables, None, "resolve-0")
