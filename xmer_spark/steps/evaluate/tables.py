"""What evaluate reads: small selections of the published tables, as arrays.

Everything is about the held-out items, at most ``evaluation.max_items`` of them, and about what touches
them: what was resolved wrongly with an item that was trained on is wrong too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics import arrow
from xmer_spark.steps.evaluate.held_out import HeldOut, Resolved, Scored

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Job


def held_out(job: Job) -> HeldOut:
    """The embedded items of the test split; of too many, those whose entities hash lowest."""
    from pyspark.sql import functions as F

    evaluation = job.context.config.evaluation
    truth = "label" if evaluation.task == "class" else "entity"
    items = job.read("items").where(f"split = 'test' AND entity IS NOT NULL AND {truth} IS NOT NULL")
    columns = items.select("item_key", "source", "modality", "record_id", "entity", "label")
    drawn = columns.withColumn("draw", F.xxhash64("entity")).orderBy("draw", "item_key")
    embedded = job.read("embeddings").select("item_key", "embedding", "code")
    table = drawn.limit(evaluation.max_items).join(embedded, "item_key").orderBy("item_key").toArrow()
    if not table.num_rows:
        raise XmerError(
            "evaluate: no held-out item has an embedding; see ingest.split and the sources' split"
        )
    job.counts |= {
        "held_out_items": table.num_rows,
        "left_out_of_evaluation": items.count() - table.num_rows,
    }
    source, modality, record, entity, label = (
        arrow.strings(table[name]) for name in ("source", "modality", "record_id", "entity", "label")
    )
    return HeldOut(
        table["item_key"].to_numpy(), source, modality, record, entity, label,
        arrow.matrix(table["embedding"], np.float32, "embeddings"),
        arrow.codes(table["code"]),
    )  # fmt: skip


def resolved(job: Job, known: HeldOut) -> Resolved:
    """The held-out items and all that were resolved into one entity with them."""
    items = job.read("items").select("item_id", "item_key", "entity", "modality", "record_id")
    members = job.read("members").select("item_id", "entity_id").join(items, "item_id")
    marked = members.join(_marked(job, known), "item_key", "left")
    touched = marked.where("held_out").select("entity_id").distinct()
    table = marked.join(touched, "entity_id").orderBy("item_id").toArrow()
    cluster, entity, record, modality = (
        arrow.strings(table[name]) for name in ("entity_id", "entity", "record_id", "modality")
    )
    return Resolved(cluster, entity, record, modality, _truths(table["held_out"]))


def scored(job: Job, known: HeldOut) -> Scored:
    """The scored pairs of two records with a held-out item.

    A true pair of which one item is not held out is left out: a model may have seen it.
    """
    from pyspark.sql import functions as F

    items = job.read("items").join(_marked(job, known), "item_key", "left")
    names = ("item_key", "entity", "modality", "record_id", "held_out")
    left, right = (
        items.select(*(F.col(name).alias(f"{side}_{name}") for name in names)) for side in ("left", "right")
    )
    same = F.coalesce(F.col("left_entity") == F.col("right_entity"), F.lit(False))
    table = (
        job.read("matches")
        .select("left_key", "right_key", "probability")
        .join(left, F.col("left_key") == F.col("left_item_key"))
        .join(right, F.col("right_key") == F.col("right_item_key"))
        .where("left_record_id <> right_record_id AND (left_held_out OR right_held_out)")
        .withColumn("same", same)
        .where("NOT same OR (left_held_out AND right_held_out)")
        .select("left_modality", "right_modality", "probability", "same")
        .orderBy("probability", "same", "left_modality", "right_modality")
        .toArrow()
    )
    return Scored(
        arrow.strings(table["left_modality"]),
        arrow.strings(table["right_modality"]),
        table["probability"].to_numpy().astype(np.float64),
        _truths(table["same"]),
    )


def sizes(job: Job) -> dict[str, int]:
    """How many items each source has."""
    return {row["source"]: row["count"] for row in job.read("items").groupBy("source").count().collect()}


def _marked(job: Job, known: HeldOut) -> DataFrame:
    """The keys of the held-out items, with a column that says so."""
    import pandas as pd

    return job.context.spark.createDataFrame(pd.DataFrame({"item_key": known.key, "held_out": True}))


def _truths(column: pa.ChunkedArray) -> np.ndarray:
    """A column of truth values as (n) bool; what is missing is false."""
    found: np.ndarray = column.fill_null(False).combine_chunks().to_numpy(zero_copy_only=False)
    return found
