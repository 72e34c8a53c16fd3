"""Records -> candidate pairs -> matches: what two records have in common, and how probable a match is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xmer_spark.names import direction_name, metric_name
from xmer_spark.numerics.records import CODE
from xmer_spark.resolver.model import Blockers, Resolver
from xmer_spark.steps import described as records

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation

    from xmer_spark.config import Config
    from xmer_spark.store.runs import Job


@dataclass(frozen=True)
class Candidates:
    """Blocks of candidate pairs, not yet computed.

    ``counted`` are the same blocks under an observation that counts their pairs on the way; ``described``
    are the records that they are of.
    """

    described: DataFrame
    blocks: DataFrame
    counted: DataFrame
    observed: Observation
    blockers: Blockers


def block(job: Job, resolver: Resolver, embeddings: DataFrame) -> Candidates:
    """Records -> blocks of candidate pairs between the sources that can share entities."""
    from pyspark import StorageLevel
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    from xmer_spark.blocking.records.stage import record_blocks

    config = job.context.config
    described = records.described(config, job.read("records"), job.read("items"), embeddings)
    described = described.persist(StorageLevel.DISK_ONLY)  # blockers read them several times
    pairs = [pair for pair in records.source_pairs(config) if pair in resolver.blockers]
    plan = {pair: resolver.blockers[pair] for pair in pairs}
    blocks = record_blocks(described, plan, config.blocking.partitions, payload(config, described))
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
    return Candidates(described, blocks, counted, observed, plan)


def payload(config: Config, described: DataFrame) -> dict[str, list[str]]:
    """The columns that records of each source are compared by; codes are for blocking alone."""
    found = {}
    for source in config.source:
        columns = records.columns_of(source)
        found[source.name] = [c for c in columns if not c.endswith(CODE) and c in described.columns]
    return found


def score(job: Job, resolver: Resolver, candidates: Candidates) -> DataFrame:
    """Candidate blocks -> matches above the review threshold, decided beside their rivals, with evidence."""
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    from xmer_spark.resolver import stage
    from xmer_spark.steps.resolve.deciding import decided

    config = job.context.config
    scored = stage.score_blocks(candidates.counted, resolver, config.scoring.review_threshold).persist(
        StorageLevel.DISK_ONLY
    )
    # Counting computes everything once, so that the observation is whole.
    job.counts["scored_matches"] = scored.count()
    found = candidates.observed.get
    job.counts["candidates"] = int(found["candidates"])
    job.facts["candidates"] = {
        name: int(found[name]) for name in (direction_name(*pair) for pair in candidates.blockers)
    }
    if config.blocking.keep_pairs:
        job.sync("pairs", _kept_pairs(candidates))
        candidates.blocks.unpersist()
    ids = job.read("records").select("record_key", "record_id")
    left = ids.select(F.col("record_key").alias("left_key"), F.col("record_id").alias("left_id"))
    right = ids.select(F.col("record_key").alias("right_key"), F.col("record_id").alias("right_id"))
    rivals = decided(scored, resolver, records.alone(config), config.scoring.match_threshold)
    named = scored.join(rivals, ["left_key", "right_key"]).join(left, "left_key").join(right, "right_key")
    matches = job.sync("matches", named.withColumn("model_version", F.lit(job.model_version)))
    scored.unpersist()
    return matches


def _kept_pairs(candidates: Candidates) -> DataFrame:
    """All candidate pairs as rows of the table pairs, each with the blocker that proposed it."""
    from xmer_spark.blocking.records.stage import candidate_pairs

    return candidate_pairs(candidates.blocks, candidates.blockers)


def certify(job: Job, resolver: Resolver, candidates: Candidates, matches: DataFrame) -> None:
    """What blocking lost, beside what was expected of it."""
    from xmer_spark.steps.resolve import certify as certification

    for pair in candidates.blockers:
        name = direction_name(*pair)
        plan = resolver.plans.get(name, {})
        if plan.get("pairs") is not None:
            found = job.facts["candidates"][name]
            job.measure(
                metric_name("candidates", name), found, planned=plan["pairs"], planned_recall=plan["recall"]
            )
    certification.certify(job, resolver, candidates, matches)
