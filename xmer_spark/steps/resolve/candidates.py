"""Records -> candidate pairs -> scores: what two records have in common, and how probable a match is."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from xmer_spark.errors import ConfigError
from xmer_spark.names import direction_name, metric_name
from xmer_spark.numerics.records import CODE
from xmer_spark.resolver.model import Blockers, Resolver
from xmer_spark.steps import described as records
from xmer_spark.steps.resolve.changes import since as changed_since

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation

    from xmer_spark.config import Config
    from xmer_spark.steps.resolve.changes import Before, Changes
    from xmer_spark.store.runs import Job


log = logging.getLogger(__name__)


class Since(NamedTuple):
    """What has changed of the records, and blocks of the earlier candidates that are none any more."""

    changes: Changes
    lost: DataFrame


@dataclass(frozen=True)
class Candidates:
    """Blocks of candidate pairs that are to be compared, not yet computed.

    ``counted`` are the same blocks under an observation that counts their pairs on the way; ``described``
    are the records that they are of. ``since`` is None where these are all candidates; otherwise they are
    those that have become some.
    """

    described: DataFrame
    blocks: DataFrame
    counted: DataFrame
    observed: Observation
    blockers: Blockers
    since: Since | None


def block(job: Job, resolver: Resolver, embeddings: DataFrame, before: Before | None) -> Candidates:
    """Records -> blocks of candidate pairs between the sources that can share entities."""
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    config = job.context.config
    described = records.described(config, job.read("records"), job.read("items"), embeddings)
    described = described.persist(StorageLevel.DISK_ONLY)  # blockers read them several times
    plan = blockers_of(config, resolver)
    since = None
    if before is not None:
        changes = changed_since(job, before, embeddings)
        changed = _changed(job, described, plan, changes)
        if changed is not None:
            job.counts |= changes.counts
            since = Since(changes, changed.where("lost"))
            blocks = changed.where(~F.col("lost"))
    if since is None:
        blocks = _all(job, described, plan)
    counted, observed = _observed(blocks, plan)
    return Candidates(described, blocks, counted, observed, plan, since)


def _all(job: Job, described: DataFrame, plan: Blockers) -> DataFrame:
    """Blocks of all candidates."""
    from pyspark import StorageLevel

    from xmer_spark.blocking.records.stage import marks_of, record_blocks

    config = job.context.config
    marks = job.sync("marks", marks_of(described, plan, config.blocking.partitions))
    blocks = record_blocks(described, plan, config.blocking.partitions, payload(config, described), marks)
    if config.blocking.keep_pairs:
        blocks = blocks.persist(StorageLevel.DISK_ONLY)  # they are used twice: to score, and to be kept
    return blocks


def _changed(job: Job, described: DataFrame, plan: Blockers, changes: Changes) -> DataFrame | None:
    """Blocks of the candidates that have changed; None where these can only be found among all."""
    from pyspark import StorageLevel

    from xmer_spark.blocking.records.increment.stage import can_be_followed, increment

    config, then = job.context.config, changes.before
    if config.blocking.keep_pairs or not can_be_followed(plan):
        log.info("resolve: all records are compared, for blocking.keep_pairs or a blocker asks for it")
        return None
    departed = (
        then.read(job, table).join(changes.departed, "record_key", "left_semi")
        for table in ("records", "items", "embeddings")
    )
    marks = then.read(job, "marks")
    found = increment(
        described,
        marks,
        changes.fresh,
        records.described(config, *departed),
        plan,
        config.blocking.partitions,
        payload(config, described),
    )
    if found is None:
        log.info("resolve: so many records have changed that all are compared")
        return None
    gone = marks.join(changes.departed, "record_key", "left_semi").select("record_key", "pair", "place")
    job.merge("marks", found.marks, gone)
    # What has come is compared, what is lost forgotten.
    return found.blocks.localCheckpoint(eager=False, storageLevel=StorageLevel.DISK_ONLY)


def _observed(blocks: DataFrame, plan: Blockers) -> tuple[DataFrame, Observation]:
    """The blocks, and what counts their pairs when they are computed: all, and by pair of sources."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    observed = Observation("candidates")
    counted = blocks.observe(
        observed,
        F.coalesce(F.sum("pairs"), F.lit(0)).alias("candidates"),
        *(
            F.coalesce(
                F.sum(F.when((F.col("left_source") == a) & (F.col("right_source") == b), F.col("pairs"))),
                F.lit(0),
            ).alias(direction_name(a, b))
            for a, b in plan
        ),
    )
    return counted, observed


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
    """Candidate blocks -> scores with evidence: all pairs that are worth weighing against each other."""
    from pyspark import StorageLevel

    from xmer_spark.resolver import stage

    scored = stage.score_blocks(candidates.counted, resolver, job.context.config.scoring.rival_threshold)
    scored = scored.persist(StorageLevel.DISK_ONLY)
    scored.count()  # which computes everything once, so that the observation is whole
    counted = candidates.observed.get
    job.counts["candidates"] = int(counted["candidates"])
    if candidates.since is None:
        names = [direction_name(*pair) for pair in candidates.blockers]
        job.facts["candidates"] = {name: int(counted[name]) for name in names}
    if job.context.config.blocking.keep_pairs:
        job.sync("pairs", _kept_pairs(candidates))
        candidates.blocks.unpersist()
    if candidates.since is None:
        scores = job.sync("scores", scored)
    else:
        scores = job.merge("scores", scored, _gone(job, candidates.blockers, candidates.since))
    scored.unpersist()
    return scores


def _gone(job: Job, plan: Blockers, since: Since) -> DataFrame:
    """The earlier scores of which a record has changed or left, or which are of candidates no more."""
    from xmer_spark.blocking.records.stage import candidate_pairs

    keys = since.changes.before.read(job, "scores").select("left_key", "right_key")
    ends = (
        since.changes.departed.withColumnRenamed("record_key", side).join(keys, side)
        for side in ("left_key", "right_key")
    )
    lost = candidate_pairs(since.lost, plan)
    return reduce(
        lambda a, b: a.union(b), (pairs.select("left_key", "right_key") for pairs in (*ends, lost))
    ).distinct()


def _kept_pairs(candidates: Candidates) -> DataFrame:
    """All candidate pairs as rows of the table pairs, each with the blocker that proposed it."""
    from xmer_spark.blocking.records.stage import candidate_pairs

    return candidate_pairs(candidates.blocks, candidates.blockers)


def certify(
    job: Job, resolver: Resolver, candidates: Candidates, matches: DataFrame, threshold: float
) -> None:
    """What blocking lost, beside what was expected of it."""
    from xmer_spark.steps.resolve import certify as certification

    for pair in candidates.blockers if candidates.since is None else ():
        name = direction_name(*pair)
        plan = resolver.plans.get(name, {})
        if plan.get("pairs") is not None:
            found = job.facts["candidates"][name]
            job.measure(
                metric_name("candidates", name), found, planned=plan["pairs"], planned_recall=plan["recall"]
            )
    certification.certify(job, resolver, candidates, matches, threshold)
