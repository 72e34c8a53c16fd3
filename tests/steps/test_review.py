"""Which pairs a person is asked about: those whose answer is expected to put most right."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pytest

from tests.published import publish, write_rows
from xmer_spark.steps.review import pairs, write
from xmer_spark.store.published import Published

RECORDS = pa.schema(
    [("record_id", pa.string()), ("record_key", pa.int64()), ("fields", pa.map_(pa.string(), pa.string()))]
)
#: Record -> its entity: A of three records, B of two, C of one.
PLACED = {"s/1": "A", "s/2": "A", "s/3": "A", "s/4": "B", "s/5": "B", "s/6": "C"}
MATCHES = [
    ("s/1", "s/2", 0.9), ("s/1", "s/3", 0.6), ("s/4", "s/5", 0.5),
    ("s/1", "s/4", 0.3), ("s/2", "s/4", 0.2), ("s/5", "s/6", 0.4),
]  # fmt: skip


@pytest.fixture
def tables(tmp_path: Path) -> Published:
    keys = {record: key for key, record in enumerate(PLACED)}
    texts = {"s/1": "=SUM(A1)", "s/4": "a plain text"}
    write_rows(tmp_path, "members", [{"record_id": r, "entity_id": e} for r, e in PLACED.items()])
    write_rows(
        tmp_path, "entities", [{"entity_id": e, "size": n} for e, n in {"A": 3, "B": 2, "C": 1}.items()]
    )
    write_rows(tmp_path, "matches", [{"left_id": a, "right_id": b, "decided": p} for a, b, p in MATCHES])
    items = [
        {"record_key": keys[r], "field": "text", "modality": "text", "text": t} for r, t in texts.items()
    ]
    items.append({"record_key": keys["s/4"], "field": "photo", "modality": "image", "text": None})
    write_rows(tmp_path, "items", items)
    fields = {"s/4": {"size": "L", "brand": "Acme"}}
    rows = [{"record_id": r, "record_key": k, "fields": fields.get(r, {})} for r, k in keys.items()]
    write_rows(tmp_path, "records", rows, RECORDS)
    write_rows(tmp_path, "decisions", [{"left_id": "s/5", "right_id": "s/6", "verdict": "different"}])
    names = ["members", "entities", "matches", "items", "records", "decisions"]
    return publish(tmp_path, [dict.fromkeys(names, 0)])


def test_asked_is_what_would_put_most_right_and_nothing_that_was_answered(
    tables: Published,
) -> None:
    found = pairs(tables, 10).to_pylist()
    asked = [(row["left"], row["right"], row["together"], row["put_right"]) for row in found]
    assert asked == [
        ("s/3", "s/1", True, 1.4),  # of three records that which fits least, linked with one by .6
        ("s/1", "s/4", False, 0.5),  # two links between A and B, of .3 and .2
        ("s/4", "s/5", True, 0.5),
    ]
    assert found[1]["right_says"] == "[image] | a plain text | brand: Acme, size: L"
    assert pairs(tables, 1).num_rows == 1


def test_what_a_spreadsheet_would_compute_is_written_as_a_text(tables: Published, tmp_path: Path) -> None:
    write(pairs(tables, 10), tmp_path / "review.csv")
    lines = (tmp_path / "review.csv").read_text("utf-8").splitlines()
    assert (
        lines[0] == '"left","right","verdict","probability","together","put_right","left_says","right_says"'
    )
    assert '"\'=SUM(A1)"' in "".join(lines)


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
)
def test_whatever_starts_a_formula_is_made_a_text(tmp_path: Path, start: str) -> None:
    write(pa.table({"left_says": [f"{start}1"], "right_says": [f"1{start}"]}), tmp_path / "review.csv")
    with (tmp_path / "review.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file))[1] == [f"'{start}1", f"1{start}"]
