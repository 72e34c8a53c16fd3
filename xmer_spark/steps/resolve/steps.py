"""The steps of resolve: encode, block, score, certify, cluster, publish; each takes and gives DataFrames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

from xmer_spark import clustering
from xmer_spark.errors import AuditError
from xmer_spark.method import saved_files
from xmer_spark.resolver.model import Resolver
from xmer_spark.schema import pair_name

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation

    from xmer_spark.config import Source
    from xmer_spark.store.runs import Job


@dataclass(frozen=True)
class Candidates:
    """Blocks of candidate pairs, not yet computed, with the observation that counts them on the way."""

    embeddings: DataFrame
    blocks: DataFrame
    observed: Observation
    source_pairs: list[tuple[str, str]]


def encode(job: Job, resolver: Resolver) -> DataFrame:
    """Features -> embeddings and codes under the champion."""
    from xmer_spark.resolver import stage

    embeddings = job.sync("embeddings", stage.encode(resolver, job.read("features"), str(job.model_version)))
    items = job.read("items").count()
    job.counts |= {"items": items, "embedded": embeddings.count()}
    job.counts["without_embedding"] = items - job.counts["embedded"]
    return embeddings


def block(job: Job, resolver: Resolver, embeddings: DataFrame) -> Candidates:
    """Embeddings -> blocks of candidate pairs between the sources that can share entities."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    from xmer_spark.blocking import stage

    config = job.context.config
    pairs = source_pairs(config.source, resolver.blockers)
    blocks = stage.candidate_blocks(embeddings, resolver.blockers, pairs, config.blocking.partitions)
    observed = Observation("candidates")
    counted = blocks.observe(
        observed,
        F.coalesce(F.sum("pairs"), F.lit(0)).alias("candidates"),
        *(
            F.coalesce(
                F.sum(F.when((F.col("left_source") == a) & (F.col("right_source") == b), F.col("pairs"))),
                F.lit(0),
            ).alias(f"{a}/{b}")
            for a, b in pairs
        ),
    )
    return Candidates(embeddings, counted, observed, pairs)


def source_pairs(sources: Iterable[Source], modality_pairs: Iterable[str]) -> list[tuple[str, str]]:
    """The pairs of sources to compare; one that holds each thing once is not compared with itself."""
    wanted = set(modality_pairs)
    return [
        (a.name, b.name)
        for a, b in combinations_with_replacement(sorted(sources, key=lambda s: s.name), 2)
        if pair_name(a.modality, b.modality) in wanted and not (a.name == b.name and a.one_per_entity)
    ]


def score(job: Job, resolver: Resolver, candidates: Candidates) -> DataFrame:
    """Candidate blocks -> matches above the review threshold, with their evidence."""
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    from xmer_spark.blocking.stage import candidate_pairs
    from xmer_spark.scoring import stage

    config = job.context.config
    modality = {source.name: source.modality for source in config.source}
    scored = stage.score_blocks(
        candidates.blocks, saved_files(resolver.scorer), modality, config.scoring.review_threshold
    ).persist(StorageLevel.DISK_ONLY)
    job.counts["scored_matches"] = (
        scored.count()
    )  # computes everything once, so that the observation is whole
    found = candidates.observed.get
    job.counts["candidates"] = int(found["candidates"])
    job.facts["candidates"] = {f"{a}/{b}": int(found[f"{a}/{b}"]) for a, b in candidates.source_pairs}
    if config.blocking.keep_pairs:
        job.sync("pairs", candidate_pairs(candidates.blocks, config.blocking.method))
    ids = job.read("items").select("item_key", "item_id")
    left = ids.select(F.col("item_key").alias("left_key"), F.col("item_id").alias("left_id"))
    right = ids.select(F.col("item_key").alias("right_key"), F.col("item_id").alias("right_id"))
    named = scored.join(left, "left_key").join(right, "right_key")
    matches = job.sync("matches", named.withColumn("model_version", F.lit(job.model_version)))
    scored.unpersist()
    return matches


def certify(job: Job, resolver: Resolver, candidates: Candidates) -> None:
    """What blocking lost, beside what was expected of it."""
    from xmer_spark.steps.resolve import certify as certification

    modality = {source.name: source.modality for source in job.context.config.source}
    for pair, plan in resolver.plans.items():
        if plan["pairs"] is not None and pair in resolver.blockers:
            found = sum(
                job.facts["candidates"][f"{a}/{b}"]
                for a, b in candidates.source_pairs
                if pair_name(modality[a], modality[b]) == pair
            )
            job.measure(f"candidates/{pair}", found, planned=plan["pairs"], planned_recall=plan["recall"])
    certification.certify(
        job, resolver, candidates.embeddings, candidates.source_pairs, thresholds(job, resolver)
    )


def cluster(job: Job, resolver: Resolver, matches: DataFrame) -> DataFrame:
    """Matches -> the cluster of every item."""
    from xmer_spark.clustering import stage

    config = job.context.config
    settings = config.clustering
    clusterer = clustering.REGISTRY.build(settings.method, settings.parameters.get(settings.method))
    alone = {source.name for source in config.source if source.one_per_entity}
    return stage.cluster_matches(
        job.read("items"),
        matches,
        clusterer,
        thresholds(job, resolver),
        alone,
        settings.max_driver_edges,
        settings.max_component_links,
        settings.task_links,
        measure=job.measure,
    )


def thresholds(job: Job, resolver: Resolver) -> dict[str, float]:
    """The least probability of a match by modality pair: the model's, unless the configuration has one."""
    chosen = job.context.config.scoring.match_threshold
    return {
        pair: chosen if chosen is not None else resolver.scorer.threshold(*pair.split("-"))
        for pair in resolver.blockers
    }


def publish(job: Job, clusters: DataFrame, matches: DataFrame) -> None:
    """Clusters -> members, entities and events with stable ids; published only if the audit passes."""
    from xmer_spark.entities import stage

    clusters = clusters.persist()  # several plans start from them
    runs = [run.run_id for run in job.context.runs() if run.job == job.name]
    members, entities, events = stage.build_entities(
        job.read("items"),
        clusters,
        matches,
        job.read_previous("members"),
        job.read_previous("entities"),
        job.run_id,
        runs,
    )
    written = job.sync("members", members), job.sync("entities", entities)
    job.append("entity_events", events)
    audit(job, *written)


def audit(job: Job, members: DataFrame, entities: DataFrame) -> None:
    """Raise an AuditError unless every item is in exactly one entity and every entity has its items."""
    from pyspark.sql import functions as F

    items = job.read("items").select("item_id")
    sizes = members.groupBy("entity_id").agg(F.count("*").alias("found"))
    problems = {
        "items without an entity": items.join(members, "item_id", "left_anti"),
        "members that are no items": members.join(items, "item_id", "left_anti"),
        "items in several entities": members.groupBy("item_id").count().where("count > 1"),
        "members of unknown entities": members.join(entities, "entity_id", "left_anti"),
        "entities whose size is wrong": entities.join(sizes, "entity_id", "left").where("NOT size <=> found"),
    }
    for problem, rows in problems.items():
        broken = rows.limit(3).collect()
        if broken:
            examples = ", ".join(str(row[0]) for row in broken)
            raise AuditError(f"resolve: {problem}, such as {examples}; nothing was published")
    job.counts |= {"entities": entities.count(), "members": members.count()}
