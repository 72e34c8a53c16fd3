"""Records -> candidate pairs -> matches: what two records have in common, and how probable a match is."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from xmer_spark.errors import ConfigError
from xmer_spark.names import direction_name, metric_name
from xmer_spark.numerics.records import CODE
from xmer_spark.resolver.model import Blockers, Resolver
from xmer_spark.steps import described as records

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation

    from xmer_spark.config import Config
    from xmer_spark.store.runs import Job


log = logging.getLogger(__name__)


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
    plan = blockers_of(config, resolver)
    pairs = list(plan)
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


def blockers_of(config: Config, resolver: Resolver) -> Blockers:
    """The blockers of all sources that are compared.

    For a pair that the model does not know, such as one of a renamed source, those of another pair serve, of
    which both have the fields. A pair for which none do is told, and not compared.
    """
    found: Blockers = {}
    columns = {source.name: records.columns_of(source) for source in config.source}
    for pair in records.source_pairs(config):
        known = resolver.blockers.get(pair) or _borrowed(resolver, columns, pair)
        if known is not None:
            found[pair] = known
        elif resolver.comparer.comparable(*(columns[name] for name in pair)):
            log.warning("%s are not compared: the model has no blockers for them", direction_name(*pair))
    return found


def _borrowed(
    resolver: Resolver, columns: Mapping[str, Sequence[str]], pair: tuple[str, str]
) -> list[Any] | None:
    """The blockers of the first pair of sources that suit the fields of these two."""
    a, b = pair
    for _, blockers in sorted(resolver.blockers.items()):
        suits = (_suits(each, "left", columns[a]) and _suits(each, "right", columns[b]) for each in blockers)
        if all(suits) and (a != b or all(each.symmetric for each in blockers)):
            return blockers
    return None


def _suits(blocker: Any, side: Literal["left", "right"], columns: Sequence[str]) -> bool:
    texts = [column for column in columns if "/" not in column]
    try:
        wanted = blocker.columns(side, texts)
    except ConfigError:  # it names a field that is not there
        return False
    return bool(wanted) and set(wanted) <= set(columns)


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
    from xmer_spark.steps.resolve.deciding import decided, kept

    config = job.context.config
    scored = stage.score_blocks(candidates.counted, resolver, config.scoring.rival_threshold)
    scored = scored.persist(StorageLevel.DISK_ONLY)
    # Counting computes everything once, so that the observation is whole.
    parts = max(1, ceil(scored.count() / config.clustering.task_links))
    counted = candidates.observed.get
    job.counts["candidates"] = int(counted["candidates"])
    job.facts["candidates"] = {
        name: int(counted[name]) for name in (direction_name(*pair) for pair in candidates.blockers)
    }
    if config.blocking.keep_pairs:
        job.sync("pairs", _kept_pairs(candidates))
        candidates.blocks.unpersist()
    ids = job.read("records").select("record_key", "record_id")
    left = ids.select(F.col("record_key").alias("left_key"), F.col("record_id").alias("left_id"))
    right = ids.select(F.col("record_key").alias("right_key"), F.col("record_id").alias("right_id"))
    weighed = decided(scored, resolver, records.alone(config), parts)
    found = kept(scored, weighed, config.scoring.review_threshold)
    named = found.join(left, "left_key").join(right, "right_key")
    matches = job.sync("matches", named.withColumn("model_version", F.lit(job.model_version)))
    scored.unpersist()
    job.counts["scored_matches"] = matches.count()
    return matches


def _kept_pairs(candidates: Candidates) -> DataFrame:
    """All candidate pairs as rows of the table pairs, each with the blocker that proposed it."""
    from xmer_spark.blocking.records.stage import candidate_pairs

    return candidate_pairs(candidates.blocks, candidates.blockers)


def certify(
    job: Job, resolver: Resolver, candidates: Candidates, matches: DataFrame, threshold: float
) -> None:
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
    certification.certify(job, resolver, candidates, matches, threshold)
