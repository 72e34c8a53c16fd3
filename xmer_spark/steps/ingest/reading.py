"""What ingest reads: all configured sources at once, unless none of them has changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xmer_spark.config import Config
    from xmer_spark.store.runs import Job


def settings(config: Config) -> dict[str, Any]:
    """The parts of the configuration that decide what is read and how."""
    return {"source": [source.model_dump() for source in config.source], "ingest": config.ingest.model_dump()}


def fingerprints(config: Config, root: Path) -> dict[str, str]:
    """A hash of each source's input; relative paths are relative to ``root``."""
    from xmer_spark.sources import stage

    return {source.name: stage.fingerprint(source, root) for source in config.source}


def read(job: Job, root: Path) -> None:
    """The sources into the tables items and rejects; what extraction has rejected stays."""
    from xmer_spark.sources import stage
    from xmer_spark.steps import known

    spark, config = job.context.spark, job.context.config
    items, rejects = stage.read_sources(spark, config.source, config.ingest, root)
    items, collided = stage.separate_collisions(items)
    written = job.sync("items", items)
    job.facts["known"] = known.facts(written)
    job.counts["items"] = sum(job.facts["known"]["sources"].values())
    refused = job.sync("rejects", rejects.unionByName(collided), scope="reason <> 'extraction_failed'")
    job.counts["rejects"] = refused.count()
    spark.catalog.clearCache()  # the checked records, which both tables were made from
