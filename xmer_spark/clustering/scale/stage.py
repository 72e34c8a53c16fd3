"""``contraction.Exchange`` on Spark: its parts are partitions, and blocks travel between tasks, not rows."""

from __future__ import annotations

from functools import partial

import numpy as np
from pyspark import StorageLevel
from pyspark.sql import DataFrame

from xmer_spark.clustering.scale import blocks
from xmer_spark.clustering.scale.contraction import Step


class SparkExchange:
    """Data is a DataFrame of blocks."""

    def read(self, rows: DataFrame, kind: str, *steps: Step) -> DataFrame:
        """Rows of bigint and double columns as entries of one kind, ``steps`` run over them."""
        return rows.mapInArrow(partial(blocks.of_rows, kind, steps), blocks.BLOCK)

    def step(self, data: DataFrame, *steps: Step, tasks: int | None = None) -> DataFrame:
        done = data.mapInArrow(partial(blocks.stepped, steps, tasks), blocks.BLOCK)
        return done if tasks is None else done.repartitionById(tasks, "task")

    def only(self, data: DataFrame, kind: str) -> DataFrame:
        return data.where(f"kind = '{kind}'")

    def union(self, one: DataFrame, two: DataFrame) -> DataFrame:
        return one.union(two)

    def keep(self, data: DataFrame) -> tuple[DataFrame, dict[str, int]]:
        kept = _computed(data)
        counts: dict[str, int] = {}
        for kind, entries in kept.select("kind", "entries").collect():
            counts[kind] = counts.get(kind, 0) + entries
        return kept, counts

    def rows(self, data: DataFrame, kind: str, *columns: str) -> DataFrame:
        """Entries of one kind as rows of bigint columns."""
        ddl = ", ".join(f"{column} bigint" for column in columns)
        return self.only(data, kind).mapInArrow(partial(blocks.as_rows, columns), ddl)

    def collect(self, data: DataFrame, kind: str, columns: int) -> np.ndarray:
        """Entries of one kind, on the driver: (columns, m)."""
        found = self.only(data, kind).select("data").collect()
        return blocks.joined([blocks.matrix(row.data, columns) for row in found], columns)


def _computed(data: DataFrame) -> DataFrame:
    """Computed once, and cut off from its plan, which would grow with every round."""
    if data.sparkSession.sparkContext.getCheckpointDir():
        return data.checkpoint()
    return data.localCheckpoint(True, StorageLevel.DISK_ONLY)
