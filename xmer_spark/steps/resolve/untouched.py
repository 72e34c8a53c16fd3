"""Which of the published entities a resolution leaves as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.steps.resolve.changes import Before
    from xmer_spark.store.runs import Job


def untouched(job: Job, before: Before, clusters: DataFrame, matches: DataFrame) -> DataFrame:
    """entity_id and cluster of those whose records, and the matches of these, are what they were before."""
    from pyspark.sql import functions as F

    touched = before.differing.where("came").select("record_key").union(_rematched(job, before, matches))
    touched = touched.distinct().withColumn("touched", F.lit(True))
    members = before.read(job, "members").select("record_id", "entity_id")
    placed = (
        job.read("records").select("record_key", "record_id")
        .join(clusters, "record_key")
        .join(members, "record_id", "left")
        .join(touched, "record_key", "left")
    )  # fmt: skip
    whole = placed.groupBy("cluster").agg(
        F.count("*").alias("size"),
        F.count("entity_id").alias("known"),
        F.min("entity_id").alias("entity_id"),
        F.max("entity_id").alias("other"),
        F.count("touched").alias("touched"),
    )
    same = whole.where("touched = 0 AND known = size AND entity_id = other")
    entities = before.read(job, "entities").select("entity_id", "size")
    return same.join(entities, ["entity_id", "size"]).select("entity_id", "cluster")


def _rematched(job: Job, before: Before, matches: DataFrame) -> DataFrame:
    """The record keys of matches that have come, gone or changed."""
    from pyspark.sql import functions as F

    now, then = (
        found.select("left_key", "right_key", F.col("probability").alias(name))
        for name, found in (("now", matches), ("then", before.read(job, "matches")))
    )
    moved = now.join(then, ["left_key", "right_key"], "full").where(~F.col("now").eqNullSafe(F.col("then")))
    return moved.select(F.explode(F.array("left_key", "right_key")).alias("record_key"))
