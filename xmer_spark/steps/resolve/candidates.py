"""Embeddings -> candidate pairs -> matches: what two items have in common, and how probable a match is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from xmer_spark.method import saved_files
from xmer_spark.names import direction_name, metric_name, modalities_of, pair_name
from xmer_spark.numerics.compared import source_pairs
from xmer_spark.resolver.model import Resolver

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation

    from xmer_spark.store.runs import Job


@dataclass(frozen=True)
class Candidates:
    """Blocks of candidate pairs, not yet computed.

    ``counted`` are the same blocks under an observation that counts their pairs on the way.
    """

    embeddings: DataFrame
    blocks: DataFrame
    counted: DataFrame
    observed: Observation
    source_pairs: list[tuple[str, str]]


def block(job: Job, resolver: Resolver, embeddings: DataFrame) -> Candidates:
    """Embeddings -> blocks of candidate pairs between the sources that can share entities."""
    from pyspark import StorageLevel
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    from xmer_spark.blocking import stage

    config = job.context.config
    modality = {source.name: source.modality for source in config.source}
    alone = {source.name for source in config.source if source.one_per_entity}
    pairs = source_pairs(modality, alone, resolver.blockers)
    blocks = stage.candidate_blocks(embeddings, resolver.blockers, pairs, config.blocking.partitions)
    if config.blocking.keep_pairs:
        blocks = blocks.persist(StorageLevel.DISK_ONLY)  # they are used twice: to score, and to be kept
    observed = Observation("candidates")
    counted = blocks.observe(
        observed,
        F.coalesce(F.sum("pairs"), F.lit(0)).alias("candidates"),
        *(
            F.coalesce(
                F.sum(F.when((F.col("left_source") == a) & (F.col("right_source") == b), F.col("pairs"))),
                F.lit(0),
            ).alias(direction_name(a, b))
            for a, b in pairs
        ),
    )
    return Candidates(embeddings, blocks, counted, observed, pairs)


def score(job: Job, resolver: Resolver, candidates: Candidates) -> DataFrame:
    """Candidate blocks -> matches above the review threshold, with their evidence."""
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    from xmer_spark.scoring import stage

    config = job.context.config
    modality = {source.name: source.modality for source in config.source}
    scored = stage.score_blocks(
        candidates.counted, saved_files(resolver.scorer), modality, config.scoring.review_threshold
    ).persist(StorageLevel.DISK_ONLY)
    # Counting computes everything once, so that the observation is whole.
    job.counts["scored_matches"] = scored.count()
    found = candidates.observed.get
    job.counts["candidates"] = int(found["candidates"])
    job.facts["candidates"] = {
        name: int(found[name]) for name in (direction_name(a, b) for a, b in candidates.source_pairs)
    }
    if config.blocking.keep_pairs:
        job.sync("pairs", _kept_pairs(candidates, resolver, modality))
        candidates.blocks.unpersist()
    ids = job.read("items").select("item_key", "item_id")
    left = ids.select(F.col("item_key").alias("left_key"), F.col("item_id").alias("left_id"))
    right = ids.select(F.col("item_key").alias("right_key"), F.col("item_id").alias("right_id"))
    named = scored.join(left, "left_key").join(right, "right_key")
    matches = job.sync("matches", named.withColumn("model_version", F.lit(job.model_version)))
    scored.unpersist()
    return matches


def _kept_pairs(candidates: Candidates, resolver: Resolver, modality: Mapping[str, str]) -> DataFrame:
    """All candidate pairs as rows of the table pairs, each with the blocker that proposed it."""
    from pyspark.sql import functions as F

    from xmer_spark.blocking.stage import candidate_pairs

    parts = [
        candidate_pairs(
            candidates.blocks.where((F.col("left_source") == a) & (F.col("right_source") == b)),
            str(resolver.plans[pair_name(modality[a], modality[b])]["method"]),
        )
        for a, b in candidates.source_pairs
    ]
    return reduce(lambda one, other: one.unionByName(other), parts)


def certify(job: Job, resolver: Resolver, candidates: Candidates) -> None:
    """What blocking lost, beside what was expected of it."""
    from xmer_spark.steps.resolve import certify as certification

    modality = {source.name: source.modality for source in job.context.config.source}
    for pair, plan in resolver.plans.items():
        if plan["pairs"] is not None and pair in resolver.blockers:
            found = sum(
                job.facts["candidates"][direction_name(a, b)]
                for a, b in candidates.source_pairs
                if pair_name(modality[a], modality[b]) == pair
            )
            name = metric_name("candidates", pair)
            job.measure(name, found, planned=plan["pairs"], planned_recall=plan["recall"])
    certification.certify(
        job, resolver, candidates.embeddings, candidates.source_pairs, thresholds(job, resolver)
    )


def thresholds(job: Job, resolver: Resolver) -> dict[str, float]:
    """The least probability of a match by modality pair: the model's, unless the configuration has one."""
    chosen = job.context.config.scoring.match_threshold
    return {
        pair: chosen if chosen is not None else resolver.scorer.threshold(*modalities_of(pair))
        for pair in resolver.blockers
    }
