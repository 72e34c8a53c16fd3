"""Matches -> clusters -> entities with stable ids; published only if the audit passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from xmer_spark import clustering
from xmer_spark.errors import AuditError
from xmer_spark.names import ALL, metric_name
from xmer_spark.steps.described import alone
from xmer_spark.steps.resolve.titles import titled
from xmer_spark.steps.resolve.untouched import untouched
from xmer_spark.steps.resolve.values import merging

#: What an audit that fails looks at.
_EXAMPLES = 100

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.entities.stage import Published
    from xmer_spark.resolver.model import Resolver
    from xmer_spark.steps.resolve.changes import Before
    from xmer_spark.store.runs import Job


def least_of_a_match(job: Job, resolver: Resolver) -> float:
    """The least decided probability of a match: what is configured, or what training chose."""
    configured = job.context.config.scoring.match_threshold
    threshold = resolver.threshold if configured is None else configured
    job.measure(metric_name("match_threshold", ALL), threshold)
    return threshold


def cluster(job: Job, matches: DataFrame, threshold: float) -> DataFrame:
    """Matches, and what people have decided -> the cluster of every record."""
    from xmer_spark.clustering import stage
    from xmer_spark.steps.resolve import decisions

    config = job.context.config
    settings = config.clustering
    once = alone(config)
    clusterer = clustering.built(settings.method, settings.parameters, bool(once))
    told = decisions.decided_pairs(job)
    clusters = stage.cluster_matches(
        job.read("records"),
        matches,
        clusterer,
        once,
        threshold,
        settings.max_driver_edges,
        settings.max_component_links,
        settings.task_links,
        measure=job.measure,
        decisions=None if told is None else told.select("left_key", "right_key", "same"),
    )
    if told is not None:
        decisions.count(job, told, clusters)
    return clusters


def publish(job: Job, clusters: DataFrame, matches: DataFrame, before: Before | None) -> None:
    """Clusters -> members, entities and events with stable ids; published only if the audit passes.

    Of entities that are as they were before, nothing is made or written again.
    """
    from pyspark import StorageLevel

    records, past = job.read("records"), Past(job.read_previous("members"), job.read_previous("entities"))
    if before is None or before.config_hash != job.config_hash:
        members, entities, events = _entities(job, clusters, matches, past)
        written = job.sync("members", members), job.sync("entities", entities)
    else:
        same = untouched(job, before, clusters, matches).localCheckpoint(
            eager=False, storageLevel=StorageLevel.DISK_ONLY
        )
        others = clusters.join(same, "cluster", "left_anti").localCheckpoint(
            eager=False, storageLevel=StorageLevel.DISK_ONLY
        )
        past = Past(*(table.join(same, "entity_id", "left_anti") for table in past))
        members, entities, events = _entities(job, others, matches, past)
        written = (
            job.merge("members", members, past.members),
            job.merge("entities", entities, past.entities),
        )
    job.append("entity_events", events)
    job.context.spark.catalog.clearCache()  # what the three were made from
    audit(records, *written)
    job.counts |= {"entities": written[1].count(), "members": written[0].count()}


class Past(NamedTuple):
    """Members and entities as they were published before."""

    members: DataFrame
    entities: DataFrame


def _entities(job: Job, clusters: DataFrame, matches: DataFrame, past: Past) -> Published:
    """The entities of these clusters; ``past`` are all entities that their records may have been of."""
    from xmer_spark.entities import stage

    config, keys = job.context.config, clusters.select("record_key")
    records, items = (job.read(table).join(keys, "record_key", "left_semi") for table in ("records", "items"))
    return stage.build_entities(
        titled(records, items, config.source),
        clusters,
        matches,
        merging(records, items, config),
        past.members,
        past.entities,
        job.run_id,
        [run.run_id for run in job.context.runs() if run.job == job.name],
    )


def audit(records: DataFrame, members: DataFrame, entities: DataFrame) -> None:
    """Raise an AuditError unless every record is in exactly one entity and every entity has its records."""
    from xmer_spark.entities import stage

    broken = stage.problems(records, members, entities).limit(_EXAMPLES).collect()
    if broken:
        problem = min(row["problem"] for row in broken)
        examples = ", ".join(sorted(row["culprit"] for row in broken if row["problem"] == problem)[:3])
        raise AuditError(f"resolve: {problem}, such as {examples}; nothing was published")
