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
from xmer_spark.errors import XmerError
from xmer_spark.steps import described
from xmer_spark.store.published import Published

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Job

log = logging.getLogger(__name__)

#: What a resolution leaves for the next one.
_LEFT = ("embeddings", "marks", "scores", "matches", "members", "entities")


@dataclass(frozen=True)
class Before:
    """The last resolution, and the versions of the tables that it read and published.

    ``differing`` are record_key, came and left of the records that are new or gone since, or say something
    else, kept on disk once they are known.
    """

    run_id: str
    config_hash: str
    versions: Mapping[str, int]
    differing: DataFrame

    def read(self, job: Job, table: str) -> DataFrame:
        return job.context.warehouse.read(table, self.versions[table])


@dataclass(frozen=True)
class Changes:
    """The record keys of those that came or changed since ``before``, and of those that changed or left."""

    before: Before
    fresh: DataFrame
    departed: DataFrame
    #: How many these are, by the names that the run counts them under.
    counts: Mapping[str, int]


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
    versions = run.inputs | run.outputs
    if lost := _lost(job, versions):
        log.info("resolve: all records are compared, for what the last run left cannot be read: %s", lost)
        return None
    return Before(run.run_id, run.config_hash, versions, _differing(job, versions["records"]))


def _lost(job: Job, versions: Mapping[str, int]) -> str | None:
    """What is missing of the earlier versions, as VACUUM removes them; None where all is there.

    Behind a URL that is not looked at: a file that is missing there stops the run.
    """
    if "://" in job.context.root:
        return None
    tables = Published(job.context.root)
    for name in ("records", "items", *_LEFT):
        try:
            files = tables.lost_files(name, versions[name]) if name in versions else []
        except XmerError as error:
            return str(error)
        if files:
            return f"version {versions[name]} of {name} lacks {files[0]}"
    return None


def _differing(job: Job, version: int) -> DataFrame:
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    now, then = (
        records.select("record_key", F.struct("content_hash", "label").alias(name))
        for name, records in (
            ("came", job.read("records")),
            ("left", job.context.warehouse.read("records", version)),
        )
    )
    both = now.join(then, "record_key", "full").where(~F.col("came").eqNullSafe(F.col("left")))
    found = both.select("record_key", *(F.col(name).isNotNull().alias(name) for name in ("came", "left")))
    return found.localCheckpoint(eager=False, storageLevel=StorageLevel.DISK_ONLY)


def since(job: Job, before: Before, embeddings: DataFrame) -> Changes:
    """What has changed since, records included that have an embedding now of what had none."""
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    known = before.read(job, "embeddings").select("item_key")
    late = embeddings.join(known, "item_key", "left_anti").select(
        "record_key", F.lit(True).alias("came"), F.lit(True).alias("left")
    )
    changed = (
        before.differing.unionByName(late)
        .groupBy("record_key")
        .agg(F.min("came").alias("came"), F.min("left").alias("left"))
        .localCheckpoint(eager=False, storageLevel=StorageLevel.DISK_ONLY)
    )
    fresh, departed = (changed.where(F.col(name)).select("record_key") for name in ("came", "left"))
    came, left = changed.select(F.count_if("came"), F.count_if("left")).collect()[0]
    log.info(
        "resolve: since run %s, %s records are new or changed, and %s changed or gone",
        before.run_id, f"{came:,}", f"{left:,}",
    )  # fmt: skip
    return Changes(before, fresh, departed, {"new_or_changed": came, "changed_or_gone": left})
