"""How the rows of a table differ from what they should be."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from xmer_spark.schema import Table

_HASH = "__hash"


def conform(rows: DataFrame, table: Table) -> DataFrame:
    """Exactly the table's columns, in its order and types."""
    from pyspark.sql import functions as F

    return rows.select(*(F.col(column.name).cast(column.type).alias(column.name) for column in table.columns))


def _row_hash(table: Table) -> Column:
    from pyspark.sql import functions as F

    return F.xxhash64(*table.column_names)


def same_key(left: DataFrame, right: DataFrame, table: Table) -> Column:
    return reduce(lambda a, b: a & b, (left[column].eqNullSafe(right[column]) for column in table.key))


def changed(rows: DataFrame, present: DataFrame, table: Table) -> DataFrame:
    """The rows that are new or differ from those present under the same key."""
    from pyspark.sql import functions as F

    new = rows.withColumn(_HASH, _row_hash(table)).alias("new")
    old = present.select(*table.key, _row_hash(table).alias("old_hash")).alias("old")
    same = reduce(lambda a, b: a & b, (F.col(f"new.{c}").eqNullSafe(F.col(f"old.{c}")) for c in table.key))
    unchanged = same & (F.col(f"new.{_HASH}") == F.col("old.old_hash"))
    return new.join(old, unchanged, "left_anti").select(*table.column_names)


def gone(rows: DataFrame, present: DataFrame, table: Table) -> DataFrame:
    """The keys that are present and should not be."""
    old, new = present.select(*table.key), rows.select(*table.key)
    return old.join(new, same_key(old, new, table), "left_anti")
