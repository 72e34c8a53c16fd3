"""The rows of version 1 as rows of today. ``placed`` rows are those of ``places.placed``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def records(placed: DataFrame) -> DataFrame:
    """A record for all items that are one; its scalar fields come with the next ingest.

    Where its source has contents alone, it is what ingest makes of it, the hash included.
    """
    from pyspark.sql import functions as F

    said = F.concat("field", F.lit("="), "content_hash", F.lit("\x1f"))
    parts = F.array_sort(
        F.collect_list(F.when(F.col("field").isNotNull(), F.struct("nth", said.alias("said"))))
    )
    return placed.groupBy("record_id").agg(
        F.xxhash64("record_id").alias("record_key"),
        F.min("source").alias("source"),
        F.map_from_arrays(F.array().cast("array<string>"), F.array().cast("array<string>")).alias("fields"),
        F.sha2(F.concat_ws("", F.transform(parts, lambda part: part["said"])), 256).alias("content_hash"),
        *(F.max(name).alias(name) for name in ("label", "entity", "split")),
    )


def items(placed: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    keys = {"item_key": F.xxhash64("item_id"), "record_key": F.xxhash64("record_id")}
    return placed.where("item_id IS NOT NULL").withColumns(keys)


def features(old: DataFrame, placed: DataFrame) -> tuple[DataFrame, DataFrame]:
    """The features of items that have another id now: as they are to be, and those that they replace."""
    from pyspark.sql import functions as F

    moved = placed.where("item_id <> was").select(
        F.col("was").alias("item_id"), F.col("item_id").alias("now")
    )
    found = old.join(moved, "item_id")
    now = found.withColumns({"item_id": F.col("now"), "item_key": F.xxhash64("now")})
    return now, found


def members(placed: DataFrame) -> DataFrame:
    """A member for all items of a record: they were one thing, and so in one entity."""
    from pyspark.sql import functions as F

    return placed.groupBy("record_id").agg(
        *(F.min_by(name, "was").alias(name) for name in ("entity_id", "source", "first_run", "last_run")),
        _modalities().alias("modalities"),
        F.max("confidence").alias("confidence"),
    )


def entities(old: DataFrame, placed: DataFrame) -> DataFrame:
    """The entities with their records counted; ``placed`` are members."""
    from pyspark.sql import functions as F

    best = (F.col("item_id").isNotNull()) & (F.col("representatives")[F.col("modality")] == F.col("was"))
    counted = (
        placed.join(old.select("entity_id", "representatives"), "entity_id")
        .groupBy("entity_id")
        .agg(
            F.count_distinct("record_id").alias("size"),
            _modalities().alias("modalities"),
            F.array_sort(F.collect_set("source")).alias("sources"),
            F.map_from_entries(F.collect_set(F.when(best, F.struct("modality", "item_id")))).alias(
                "representatives"
            ),
        )
    )
    return old.drop("size", "modalities", "sources", "representatives").join(counted, "entity_id")


def events(old: DataFrame) -> DataFrame:
    """The history, each count as it was: one of items."""
    return old.withColumnsRenamed({"items_before": "records_before", "items_after": "records_after"})


def rejects(old: DataFrame) -> DataFrame:
    """What was refused until the next ingest tells it anew: a record, for an input had no fields."""
    from pyspark.sql import functions as F

    return old.withColumn("field", F.lit(None).cast("string"))


def _modalities() -> Column:
    from pyspark.sql import functions as F

    return F.array_sort(F.collect_set(F.when(F.col("item_id").isNotNull(), F.col("modality"))))
