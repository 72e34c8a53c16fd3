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
