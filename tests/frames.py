"""Small DataFrames of items, matches and tables, as stages take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xmer_spark.schema import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ITEMS = (
    "item_id string, item_key bigint, source string, record_id string, modality string, "
    "label string, text string"
)
MATCHES = "left_key bigint, right_key bigint, probability float"
#: Items of two sources, as items_of takes them, and links between them, as matches_of does.
SMALL = [
    (-9, "photos", "p1", "image", "cat", None),
    (-4, "photos", "p1", "image", "cat", None),  # of the same record
    (3, "photos", "p2", "image", "dog", None),
    (5, "texts", "t1", "text", "cat", "a tabby   cat"),
    (8, "texts", "t2", "text", None, "word " * 30),
    (11, "texts", "t3", "text", "dog", "x" * 100),
    (12, "texts", "t4", "text", None, None),
]
LINKS = [(-9, 5, 0.8), (-4, 5, 0.4), (3, 5, 0.6), (3, 8, 0.7), (8, 11, 0.9), (5, 12, 0.1)]


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
    return spark.createDataFrame(rows, MATCHES).repartition(2)


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
