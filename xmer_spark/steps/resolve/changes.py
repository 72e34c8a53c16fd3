"""Published against present: what a resolution can go on from, and which records have changed since.

Whether two records are candidates, and how probable they are the same, depends on the two, on the model and
on blockers' marks alone. So where the last resolution asked the same of its records, only pairs of those that
came, changed or left can be other than they were.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xmer_spark.config import document_hash
from xmer_spark.steps import described

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Job

log = logging.getLogger(__name__)

#: What a resolution leaves for the next one.
_LEFT = ("embeddings", "marks", "scores", "matches", "members", "entities")


@dataclass(frozen=True)
class Before:
    """The last resolution, and the versions of the tables that it read and published."""

    run_id: str
    config_hash: str
    versions: Mapping[str, int]

    def read(self, job: Job, table: str) -> DataFrame:
        return job.context.warehouse.read(table, self.versions[table])


@dataclass(frozen=True)
class Changes:
    """The record keys of those that came or changed since ``before``, and of those that changed or left."""

    before: Before
    fresh: DataFrame
    departed: DataFrame


def before(job: Job, trained: str) -> Before | None:
    """The resolution that is in force, if it asked the same of its records; None where all are compared.

    ``trained`` is the run that trained the model.
    """
    config = job.context.config
    asked = document_hash(
        [
            [job.model_version, trained],
            config.scoring.rival_threshold,
            {source.name: described.columns_of(source) for source in config.source},
            described.source_pairs(config),
        ]
    )
    job.facts["asked"] = asked
    run = job.context.finished(job.name)
    if run is None:
        return None
    if run.facts.get("asked") != asked or any(run.outputs.get(t) != job.previous.get(t) for t in _LEFT):
        log.info("resolve: the model, or what it compares, is another than before: all records are compared")
        return None
    return Before(run.run_id, run.config_hash, run.inputs | run.outputs)


def differing(job: Job, before: Before) -> DataFrame:
    """record_key, came and left: the records that are new or gone since, or say something else."""
    from pyspark.sql import functions as F

    now, then = (
        records.select("record_key", F.struct("content_hash", "label").alias(name))
        for name, records in (("came", job.read("records")), ("left", before.read(job, "records")))
    )
    both = now.join(then, "record_key", "full").where(~F.col("came").eqNullSafe(F.col("left")))
    return both.select("record_key", *(F.col(name).isNotNull().alias(name) for name in ("came", "left")))


def since(job: Job, before: Before, embeddings: DataFrame) -> Changes:
    """What has changed since, records included that have an embedding now of what had none."""
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    known = before.read(job, "embeddings").select("item_key")
    late = embeddings.join(known, "item_key", "left_anti").select(
        "record_key", F.lit(True).alias("came"), F.lit(True).alias("left")
    )
    changed = (
        differing(job, before)
        .unionByName(late)
        .groupBy("record_key")
        .agg(F.min("came").alias("came"), F.min("left").alias("left"))
        .persist(StorageLevel.DISK_ONLY)
    )
    fresh, departed = (changed.where(F.col(name)).select("record_key") for name in ("came", "left"))
    counts = {"new_or_changed": fresh.count(), "changed_or_gone": departed.count()}
    job.counts |= counts
    log.info(
        "resolve: since run %s, %s records are new or changed, and %s changed or gone",
        before.run_id, *(f"{count:,}" for count in counts.values()),
    )  # fmt: skip
    return Changes(before, fresh, departed)
