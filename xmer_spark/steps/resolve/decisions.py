"""What people have decided of records, as clustering takes it, and whether it was heeded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Job

log = logging.getLogger(__name__)


def decided_pairs(job: Job) -> DataFrame | None:
    """left_key < right_key, ``same`` and the ids of the pairs that are decided; None where there are none.

    A decision about a record that is gone waits for its return.
    """
    from pyspark.sql import functions as F

    if "decisions" not in job.inputs:
        return None
    records = job.read("records")
    left, right = (
        records.select(F.col("record_id").alias(f"{side}_id"), F.col("record_key").alias(f"{side}_record"))
        for side in ("left", "right")
    )
    told = job.read("decisions").join(left, "left_id").join(right, "right_id")
    ends = F.least("left_record", "right_record"), F.greatest("left_record", "right_record")
    return told.select(
        ends[0].alias("left_key"), ends[1].alias("right_key"), (F.col("verdict") == "same").alias("same"),
        "left_id", "right_id",
    )  # fmt: skip


def count(job: Job, decisions: DataFrame, clusters: DataFrame) -> None:
    """Measure how many decisions the clusters heed; of those that they do not, a warning names some."""
    from pyspark.sql import functions as F

    left, right = (
        clusters.select(F.col("record_key").alias(f"{side}_key"), F.col("cluster").alias(f"{side}_cluster"))
        for side in ("left", "right")
    )
    together = F.col("left_cluster") == F.col("right_cluster")
    found = decisions.join(left, "left_key").join(right, "right_key")
    rows = found.select("left_id", "right_id", (together == F.col("same")).alias("heeded")).collect()
    broken = sorted((row["left_id"], row["right_id"]) for row in rows if not row["heeded"])
    job.measure("decisions", len(rows), not_heeded=len(broken))
    if broken:
        log.warning(
            "resolve: %d of %d decisions are not heeded, such as on %s; not every clustering.method can",
            len(broken), len(rows), " and ".join(broken[0]),
        )  # fmt: skip
