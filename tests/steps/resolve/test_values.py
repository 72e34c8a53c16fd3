"""What records say of their fields, as entities' values are chosen from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.resolve import settings
from tests.frames import rows_of, table_of
from xmer_spark.config import Config
from xmer_spark.schema import ITEMS, RECORDS
from xmer_spark.steps.resolve.values import merging

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SOURCES: list[dict[str, Any]] = [
    {"name": "shop", "kind": "parquet", "path": "x", "key": "k", "fields": {
        "title": {"type": "text"}, "price": {"type": "number"}, "photo": {"type": "image"},
        "back": {"type": "image"}, "updated": {"type": "date"},
    }},
    {"name": "museum", "kind": "parquet", "path": "x", "key": "k", "fields": {
        "title": {"type": "text"}, "photo": {"type": "vector", "modality": "image"},
    }},
]  # fmt: skip


def config_of(**entities: Any) -> Config:
    return Config.model_validate({"name": "test", "source": SOURCES, "entities": entities})


def item(key: int, field: str, **content: Any) -> dict[str, Any]:
    return {"item_id": f"{key}#{field}", "record_key": key, "field": field, "modality": "image", **content}


def test_fields_texts_and_pictures_are_said_and_vectors_are_not(spark: SparkSession) -> None:
    records = [
        {"record_key": 1, "fields": {"price": "7", "updated": "2024"}},
        {"record_key": 2, "fields": {}},
        {"record_key": 3, "fields": {"price": "8"}},
    ]
    items = [
        item(1, "title", text="a lamp", modality="text"),
        item(1, "photo", image=b"12345"),
        item(1, "back", image=b"123"),
        item(1, "gone", text="not configured any more"),
        item(2, "title", text="a vase", modality="text"),
        item(2, "photo", vector=[1.0]),
    ]
    config = config_of(trust=["shop"], values={"photo": "best_picture"})
    found = merging(table_of(spark, RECORDS, records), table_of(spark, ITEMS, items), config)
    said = rows_of(found.said, "record_key")
    assert {key: row["said"] for key, row in said.items()} == {
        1: {"price": "7", "updated": "2024", "title": "a lamp", "photo": "1#photo", "back": "1#back"},
        2: {"title": "a vase"},
        3: {"price": "8"},
    }
    assert said[1]["bytes"] == {"photo": 5, "back": None, "title": None}
    assert {name: rule.rule for name, rule in found.rules.items()} == {
        "title": "longest", "price": "most_frequent", "photo": "best_picture", "back": "most_trusted",
        "updated": "most_frequent",
    }  # fmt: skip
    assert found.trust == ["shop", "museum"]


def test_another_rule_and_another_trust_make_a_resolution_another() -> None:
    plain, same = config_of(), config_of(values={"title": "longest"}, trust=["museum", "shop"])
    assert settings(plain) == settings(same)
    for changed in (config_of(values={"title": "most_frequent"}), config_of(trust=["shop"])):
        assert settings(plain) != settings(changed)


def test_pictures_are_not_read_unless_their_size_is_asked_for(spark: SparkSession, tmp_path: Any) -> None:
    table_of(spark, ITEMS, [item(1, "photo", image=b"1")]).write.parquet(str(tmp_path / "items"))
    items = spark.read.parquet(str(tmp_path / "items"))
    records = table_of(spark, RECORDS, [])
    plans = [
        merging(records, items, config)
        .said._jdf.queryExecution()
        .optimizedPlan()  # type: ignore[operator]
        .toString()
        for config in (config_of(), config_of(values={"photo": "best_picture"}))
    ]
    assert ["octet_length" in plan for plan in plans] == [False, True]
