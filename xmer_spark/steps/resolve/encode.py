"""Features -> embeddings and codes under the champion, and what is left without one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from xmer_spark.errors import AuditError
from xmer_spark.steps.known import noted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.resolver.model import Resolver
    from xmer_spark.steps.resolve.changes import Before
    from xmer_spark.store.runs import Job

log = logging.getLogger(__name__)


def encode(job: Job, resolver: Resolver, before: Before | None) -> DataFrame:
    """The embeddings of all items; an AuditError where too many items would have none.

    Those of what has not changed since ``before`` are kept.
    """
    items = job.read("items")
    if before is None:
        embeddings = job.sync("embeddings", _encoded(job, resolver, items))
    else:
        then = before.read(job, "embeddings")
        kept = then.join(before.differing, "record_key", "left_anti").select("item_key")
        encoded = _encoded(job, resolver, items.join(kept, "item_key", "left_anti"))
        gone = then.select("item_key").join(kept, "item_key", "left_anti")
        embeddings = job.merge("embeddings", encoded, gone)
    found = coverage(job.read("records"), items, embeddings)
    total, missing = sum(each.items for each in found), sum(each.absent for each in found)
    job.counts |= {
        "records": sum(noted(job.context)["sources"].values()),
        "items": total,
        "embedded": total - missing,
        "without_embedding": missing,
    }
    check_coverage(found, sorted(resolver.extractors), job.context.config.audit.max_without_embedding)
    return embeddings


def _encoded(job: Job, resolver: Resolver, items: DataFrame) -> DataFrame:
    """Rows of the table embeddings for these items, where they have features."""
    from xmer_spark.resolver import stage

    if resolver.encoder is None:
        return stage.nothing_encoded(items)
    features = job.read("features").join(items.select("item_key"), "item_key", "left_semi")
    return stage.encode(resolver.encoder, features, items, str(job.model_version))


class Coverage(NamedTuple):
    """How many items a source has, and how many of them have no embedding."""

    source: str
    modality: str
    items: int
    absent: int


def coverage(records: DataFrame, items: DataFrame, embeddings: DataFrame) -> list[Coverage]:
    """How far the embeddings cover the items of each source."""
    from pyspark.sql import functions as F

    known = embeddings.select("item_key", F.lit(1).alias("known"))
    counted = (
        items.select("item_key", "record_key", "modality")
        .join(known, "item_key", "left")
        .join(records.select("record_key", "source"), "record_key")
        .groupBy("source", "modality")
        .agg(F.count("*").alias("items"), (F.count("*") - F.count("known")).alias("absent"))
        .orderBy("source", "modality")
    )
    return [Coverage(*row) for row in counted.collect()]


def check_coverage(found: Sequence[Coverage], known: Sequence[str], most: float) -> None:
    """Tell which items have no embedding: nothing can be found of those, and each stands alone.

    An AuditError where these are more than the share ``most``. ``known`` are the model's modalities.
    """
    items, missing = sum(each.items for each in found), sum(each.absent for each in found)
    if not missing:
        return
    told = f"{missing:,} of {items:,} items have no embedding: " + "; ".join(
        f"{each.absent:,} of {each.items:,} of source {each.source}{_why(each.modality, known)}"
        for each in found
        if each.absent
    )
    if missing > most * items:
        raise AuditError(
            f"resolve: {told}. That is more than audit.max_without_embedding = {most:g} allows, "
            "so nothing was published; the table rejects says what could not be extracted"
        )
    log.warning("%s. Each of them is an entity of its own; the table rejects may say why", told)


def _why(modality: str, known: Sequence[str]) -> str:
    return "" if modality in known else f" (the model knows {', '.join(known)}, not {modality})"
