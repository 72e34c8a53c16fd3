"""What ingest reads: all configured sources at once, unless none of them has changed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xmer_spark.names import ALL, direction_name, metric_name

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.config import Config
    from xmer_spark.store.runs import Job

log = logging.getLogger("xmer")

_SHOWN = 3


def settings(config: Config) -> dict[str, Any]:
    """The parts of the configuration that decide what is read and how."""
    return {
        "source": [source.model_dump() for source in config.source],
        "truth": [truth.model_dump() for truth in config.truth],
        "ingest": config.ingest.model_dump(),
    }


def fingerprints(config: Config, root: Path) -> dict[str, str]:
    """A hash of each source's input, and of the truth's; relative paths are relative to ``root``."""
    from xmer_spark.sources.fingerprint import content_hash, fingerprint
    from xmer_spark.sources.truth import locate

    sources = {source.name: fingerprint(source, config.ingest, root) for source in config.source}
    pairs = {f"truth/{truth.path}": content_hash(locate(truth, root)).hex() for truth in config.truth}
    return sources | pairs


def read(job: Job, root: Path) -> None:
    """The sources into the tables records, items and rejects; what extraction has rejected stays."""
    from xmer_spark.sources import stage
    from xmer_spark.steps import known

    spark, config = job.context.spark, job.context.config
    checked = stage.read_sources(spark, config.source, config.ingest, root)
    entities = stage.true_entities(spark, config.truth, config.ingest, root)
    records, items, rejects = stage.tables(checked, config.source, config.ingest, entities, config.truth)
    written = job.sync("records", records)
    job.facts["known"] = known.facts(written)
    job.counts["records"] = sum(job.facts["known"]["sources"].values())
    job.counts["items"] = job.sync("items", items).count()
    refused = job.sync("rejects", rejects, scope="reason <> 'extraction_failed'")
    job.counts["rejects"] = refused.count()
    _tell_missing(job, stage.missing_values(checked))
    if entities is not None:
        _tell_unknown(job, stage.unknown_keys(entities, written))
    spark.catalog.clearCache()  # the checked records, which all tables were made from


def _tell_missing(job: Job, missing: DataFrame) -> None:
    """What was taken for missing because a null marker stood there, by source and column."""
    for source, column, values in missing.collect():
        job.measure(metric_name("null_values", direction_name(source, column)), values)
        log.info("ingest: source %s: %d values of %s are null markers: missing", source, values, column)


def _tell_unknown(job: Job, unknown: DataFrame) -> None:
    """The records that the truth's pairs name and that are not there."""
    count = unknown.count()
    job.measure(metric_name("unknown_truth_keys", ALL), count)
    if count:
        first = ", ".join(row.record_id for row in unknown.orderBy("record_id").limit(_SHOWN).collect())
        log.warning("ingest: pairs of the truth name %d records that are not there: %s", count, first)
