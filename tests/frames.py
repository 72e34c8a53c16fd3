"""Small DataFrames of records, items, matches and tables, as stages take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xmer_spark.schema import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: One record: key, source, label, title, and its items: modality -> item id.
Record = tuple[int, str, str | None, str | None, dict[str, str]]

RECORDS = (
    "record_id string, record_key bigint, source string, label string, title string, "
    "modalities array<string>, items map<string,string>"
)
ITEMS = (
    "item_id string, item_key bigint, source string, record_id string, modality string, "
    "label string, text string"
)
#: What records say of their fields, as entities are given values by it.
SAID = "record_key bigint, said map<string,string>, bytes map<string,int>"
MATCHES = "left_key bigint, right_key bigint, decided float, probability float"
#: Records of three sources, as records_of takes them, and links between them, as matches_of does.
SMALL: list[Record] = [
    (-9, "photos", "cat", None, {"image": "photos/-9"}),
    (-4, "goods", "cat", "Tabby", {"image": "goods/-4#photo", "text": "goods/-4#name"}),
    (3, "photos", "dog", None, {"image": "photos/3"}),
    (5, "texts", "cat", "a tabby   cat", {"text": "texts/5"}),
    (8, "texts", None, "word " * 30, {"text": "texts/8"}),
    (11, "texts", "dog", "x" * 100, {"text": "texts/11"}),
    (12, "rows", None, " ", {}),
]
LINKS = [(-9, 5, 0.8), (-4, 5, 0.4), (3, 5, 0.6), (3, 8, 0.7), (8, 11, 0.9), (5, 12, 0.1)]


def records_of(spark: SparkSession, rows: list[Record]) -> DataFrame:
    return spark.createDataFrame(
        [
            (f"{source}/{key}", key, source, label, title, sorted(items), items)
            for key, source, label, title, items in rows
        ],
        RECORDS,
    ).repartition(2)


def items_of(spark: SparkSession, rows: list[tuple[Any, ...]]) -> DataFrame:
    """Rows are (key, source, record, modality, label, text)."""
    return spark.createDataFrame(
        [
            (f"{source}/{key}", key, source, record, kind, label, text)
            for key, source, record, kind, label, text in rows
        ],
        ITEMS,
    ).repartition(2)


def matches_of(spark: SparkSession, rows: list[tuple[int, int, float]]) -> DataFrame:
    """Rows are (left key, right key, probability), and decided is the probability."""
    return spark.createDataFrame([(a, b, p, p) for a, b, p in rows], MATCHES).repartition(2)


def table_of(spark: SparkSession, table: Table, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows of a table by column; columns that are not named are NULL."""
    names = [column.name for column in table.columns]
    return spark.createDataFrame([tuple(row.get(name) for name in names) for row in rows], columns_of(table))


def columns_of(table: Table) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in table.columns)


def empty(spark: SparkSession, table: Table) -> DataFrame:
    return table_of(spark, table, [])


def rows_of(frame: DataFrame, key: str) -> dict[str, dict[str, Any]]:
    rows = [row.asDict(recursive=True) for row in frame.collect()]
    assert len({row[key] for row in rows}) == len(rows)
    return {row[key]: row for row in rows}
