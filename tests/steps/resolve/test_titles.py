"""What entities show of records, from the fields of their sources in the order of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.frames import rows_of, table_of
from xmer_spark.config import Source
from xmer_spark.schema import ITEMS, RECORDS
from xmer_spark.steps.resolve.titles import titled

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHOP = {"kind": "parquet", "path": "x", "key": "k"}
GOODS = Source(
    name="goods",
    fields={
        "maker": {"type": "name"},
        "back": {"type": "image"},
        "title": {"type": "text"},
        "front": {"type": "image"},
        "notes": {"type": "text"},
        "meaning": {"type": "vector", "modality": "text"},
        "brand": {"type": "name"},
    },
    **SHOP,
)
PEOPLE = Source(name="people", fields={"age": {"type": "number"}, "called": {"type": "name"}}, **SHOP)


def record(key: int, source: str, **fields: str) -> dict[str, Any]:
    return {"record_id": f"{source}/{key}", "record_key": key, "source": source, "fields": fields}


def item(key: int, field: str, modality: str, text: str | None = None) -> dict[str, Any]:
    return {
        "item_id": f"goods/{key}#{field}",
        "record_key": key,
        "field": field,
        "modality": modality,
        "text": text,
    }


def test_records_are_shown_by_their_fields_in_the_order_of_the_configuration(spark: SparkSession) -> None:
    records = table_of(
        spark,
        RECORDS,
        [
            record(1, "goods", maker="Acme", brand="A"),
            record(2, "goods", maker="Acme", brand="B"),
            record(3, "goods", brand="C"),
            record(4, "people", age="7", called="Ann"),
            record(5, "people", age="8"),
            record(6, "gone", called="Bob"),
        ],
    )
    items = table_of(
        spark,
        ITEMS,
        [
            item(1, "front", "image"),
            item(1, "notes", "text", "a note"),
            item(1, "title", "text", "a title"),
            item(1, "back", "image"),
            item(2, "notes", "text", "another note"),
            item(2, "meaning", "text"),
            item(3, "meaning", "text"),
            item(3, "front", "image"),
            item(6, "front", "image"),
        ],
    )
    found = rows_of(titled(records, items, [GOODS, PEOPLE]), "record_key")
    shown = {key: (row["modalities"], row["title"], row["items"]) for key, row in found.items()}
    assert shown == {
        1: (["image", "text"], "a title", {"image": "goods/1#back", "text": "goods/1#title"}),
        2: (["text"], "another note", {"text": "goods/2#notes"}),
        3: (["image", "text"], "C", {"image": "goods/3#front", "text": "goods/3#meaning"}),
        4: ([], "Ann", {}),
        5: ([], None, {}),
        6: ([], None, {}),
    }
    assert found[1]["fields"] == {"maker": "Acme", "brand": "A"}
