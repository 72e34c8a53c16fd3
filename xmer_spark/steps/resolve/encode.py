"""Features -> embeddings and codes under the champion, and what is left without one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from xmer_spark.errors import AuditError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.resolver.model import Resolver
    from xmer_spark.store.runs import Job

log = logging.getLogger(__name__)


def encode(job: Job, resolver: Resolver) -> DataFrame:
    """The embeddings of all items; an AuditError where too many items would have none."""
    from xmer_spark.resolver import stage

    encoded = stage.encode(resolver, job.read("features"), str(job.model_version))
    embeddings = job.sync("embeddings", encoded)
    _check_coverage(job, resolver, embeddings)
    return embeddings


def _check_coverage(job: Job, resolver: Resolver, embeddings: DataFrame) -> None:
    """Count and tell which items have no embedding: nothing can be found of those, and each stands alone."""
    from pyspark.sql import functions as F

    known = embeddings.select("item_key", F.lit(1).alias("known"))
    absent = F.count("*") - F.count("known")
    rows = (
        job.read("items")
        .join(known, "item_key", "left")
        .groupBy("source", "modality")
        .agg(F.count("*").alias("items"), absent.alias("absent"))
        .orderBy("source", "modality")
        .collect()
    )
    items, missing = (sum(row[name] for row in rows) for name in ("items", "absent"))
    job.counts |= {"items": items, "embedded": items - missing, "without_embedding": missing}
    if not missing:
        return
    most = job.context.config.audit.max_without_embedding
    told = f"{missing:,} of {items:,} items have no embedding: " + "; ".join(
        f"{row['absent']:,} of {row['items']:,} of source {row['source']}{_why(row['modality'], resolver)}"
        for row in rows
        if row["absent"]
    )
    if missing > most * items:
        raise AuditError(
            f"resolve: {told}. That is more than audit.max_without_embedding = {most:g} allows, "
            "so nothing was published; the table rejects says what could not be extracted"
        )
    log.warning("%s. Each of them is an entity of its own; the table rejects may say why", told)


def _why(modality: str, resolver: Resolver) -> str:
    if modality in resolver.extractors:
        return ""
    known = ", ".join(sorted(resolver.extractors))
    return f" (the model knows {known}, not {modality})"
