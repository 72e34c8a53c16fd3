"""What evaluate reads: small selections of the published tables, as arrays.

Everything is about the held-out records, at most ``evaluation.max_records`` of them, and about what touches
them: what was resolved wrongly with a record that was trained on is wrong too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.names import AND, ROW
from xmer_spark.numerics import arrow
from xmer_spark.numerics.records import Records
from xmer_spark.steps.described import collected, described
from xmer_spark.steps.evaluate.held_out import HeldOut, Resolved, Scored

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Job

#: The metric of how many records are measured.
HELD_OUT = "held_out_records"


def held_out(job: Job) -> HeldOut:
    """The held-out records whose truth is known; of too many, those whose entities hash lowest."""
    from pyspark.sql import functions as F

    draw = F.xxhash64(F.coalesce("entity", "record_id"))
    ordered = _all_held_out(job).withColumn("draw", draw).orderBy("draw", "record_key")
    drawn = ordered.limit(job.context.config.evaluation.max_records)
    table = with_kinds(job, drawn).orderBy("record_key").toArrow()
    names = ("source", "kind", "entity", "label")
    return HeldOut(table["record_key"].to_numpy(), *(arrow.strings(table[name]) for name in names))


def count(job: Job, known: HeldOut) -> None:
    """Count and measure how many records are held out, and how many of these are left out."""
    found, left_out = len(known.key), _all_held_out(job).count() - len(known.key)
    job.counts |= {HELD_OUT: found, "left_out_of_evaluation": left_out}
    job.measure(HELD_OUT, found, left_out=left_out)


def _all_held_out(job: Job) -> DataFrame:
    """The records of the test split whose truth is known."""
    truth = "label" if job.context.config.evaluation.task == "class" else "entity"
    return job.read("records").where(f"split = 'test' AND {truth} IS NOT NULL")


def records(job: Job, known: HeldOut) -> Mapping[str, Records]:
    """The held-out records by source, with all that they are compared by, each source's by rising key."""
    keys = _marked(job, known).select("record_key")
    chosen = (
        job.read(table).join(keys, "record_key", "left_semi") for table in ("records", "items", "embeddings")
    )
    return collected(described(job.context.config, *chosen))


def resolved(job: Job, known: HeldOut) -> Resolved:
    """The held-out records and all that were resolved into one entity with them."""
    members = job.read("members").select("record_id", "entity_id")
    everything = job.read("records").select("record_id", "record_key", "entity").join(members, "record_id")
    marked = everything.join(_marked(job, known), "record_key", "left")
    touched = marked.where("held_out").select("entity_id").distinct()
    chosen = marked.join(touched, "entity_id", "left_semi")
    table = with_kinds(job, chosen).orderBy("record_id").toArrow()
    cluster, entity, kind = (arrow.strings(table[name]) for name in ("entity_id", "entity", "kind"))
    return Resolved(cluster, entity, kind, _truths(table["held_out"]))


def scored(job: Job, known: HeldOut) -> Scored:
    """The scored pairs with a held-out record.

    A true pair of which one record is not held out is left out: a model may have seen it.
    """
    from pyspark.sql import functions as F

    those = with_kinds(job, job.read("records").select("record_key", "entity"))
    marked = those.join(_marked(job, known), "record_key", "left")
    names = ("record_key", "entity", "kind", "held_out")
    left, right = (
        marked.select(*(F.col(name).alias(f"{side}_{name}") for name in names)) for side in ("left", "right")
    )
    same = F.coalesce(F.col("left_entity") == F.col("right_entity"), F.lit(False))
    columns = ("left_kind", "right_kind", "probability", "decided", "same")
    table = (
        job.read("matches")
        .select("left_key", "right_key", "probability", "decided")
        .join(left, F.col("left_key") == F.col("left_record_key"))
        .join(right, F.col("right_key") == F.col("right_record_key"))
        .where("left_held_out OR right_held_out")
        .withColumn("same", same)
        .where("NOT same OR (left_held_out AND right_held_out)")
        .select(*columns)
        .orderBy("decided", "probability", "same", "left_kind", "right_kind")
        .toArrow()
    )
    return Scored(
        arrow.strings(table["left_kind"]),
        arrow.strings(table["right_kind"]),
        table["probability"].to_numpy().astype(np.float64),
        table["decided"].to_numpy().astype(np.float64),
        _truths(table["same"]),
    )


def sizes(job: Job) -> dict[str, int]:
    """How many records each source has."""
    return {row["source"]: row["count"] for row in job.read("records").groupBy("source").count().collect()}


def with_kinds(job: Job, records: DataFrame) -> DataFrame:
    """Records, by ``record_key``, with their ``kind``: the modalities of their items."""
    from pyspark.sql import functions as F

    kind = F.array_join(F.array_sort(F.collect_set("modality")), AND).alias("kind")
    kinds = job.read("items").groupBy("record_key").agg(kind)
    return records.join(kinds, "record_key", "left").fillna(ROW, ["kind"])


def _marked(job: Job, known: HeldOut) -> DataFrame:
    """The keys of the held-out records, with a column that says so."""
    import pandas as pd

    return job.context.spark.createDataFrame(pd.DataFrame({"record_key": known.key, "held_out": True}))


def _truths(column: pa.ChunkedArray) -> np.ndarray:
    """A column of truth values as (n) bool; what is missing is false."""
    found: np.ndarray = column.fill_null(False).combine_chunks().to_numpy(zero_copy_only=False)
    return found
