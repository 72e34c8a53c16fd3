"""Matches beside their rivals: between two sources, what a pair's probability is once all others are seen."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.clustering.competition import decide
from xmer_spark.clustering.odds import corrected
from xmer_spark.names import direction_name
from xmer_spark.resolver.model import Resolver, Slack
from xmer_spark.scoring.calibration import Correction
from xmer_spark.steps.described import alone

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Job

_DECIDED = "left_key bigint, right_key bigint, decided float"


def weigh(job: Job, resolver: Resolver, scores: DataFrame) -> DataFrame:
    """Scores -> matches above the review threshold, by themselves or beside their rivals."""
    from pyspark.sql import functions as F

    config = job.context.config
    parts = max(1, ceil(scores.count() / config.clustering.task_links))
    weighed = decided(scores, resolver, alone(config), parts)
    found = kept(scores, weighed, config.scoring.review_threshold)
    ids = job.read("records").select("record_key", "record_id")
    left, right = (
        ids.select(F.col("record_key").alias(f"{side}_key"), F.col("record_id").alias(f"{side}_id"))
        for side in ("left", "right")
    )
    named = found.join(left, "left_key").join(right, "right_key")
    matches = job.sync("matches", named.withColumn("model_version", F.lit(job.model_version)))
    job.counts["scored_matches"] = matches.count()
    return matches


def decided(scored: DataFrame, resolver: Resolver, alone: Collection[str], parts: int) -> DataFrame:
    """left_key, right_key and ``decided`` of scored pairs: the probability of a match beside its rivals.

    Weighing rivals changes what a probability is worth, each kind of pairs in its own way; what the resolver
    has learnt of that puts it right.

    ``alone`` names the sources that hold each thing once. The pairs of two sources are decided in so many
    ``parts``, to the same end whatever their number: pairs that can compete are of one part, which one task
    holds at about 100 bytes per pair. The scored pairs are read several times; they are best stored.
    """
    once, slack, correction = frozenset(alone), dict(resolver.slack), dict(resolver.correction)

    def weigh(pairs: pa.Table) -> pa.Table:
        return _weighed(pairs, once, slack, correction)

    pairs = _in_parts(_between_two(scored), once, parts)
    return pairs.groupBy("first", "second", "part").applyInArrow(weigh, _DECIDED)


def kept(scored: DataFrame, weighed: DataFrame, review: float) -> DataFrame:
    """The scored pairs with what was decided of them, less those that are improbable both ways."""
    from pyspark.sql import functions as F

    probable = F.greatest("probability", "decided") >= review
    return scored.join(weighed, ["left_key", "right_key"]).where(probable)


def _between_two(scored: DataFrame) -> DataFrame:
    """The pairs by their two sources, ``first`` and ``second``, and the record of each."""
    from pyspark.sql import functions as F

    turned = F.col("left_source") > F.col("right_source")
    ends = {
        "first": F.least("left_source", "right_source"),
        "second": F.greatest("left_source", "right_source"),
        "first_key": F.when(turned, F.col("right_key")).otherwise(F.col("left_key")),
        "second_key": F.when(turned, F.col("left_key")).otherwise(F.col("right_key")),
    }
    return scored.select(*(column.alias(name) for name, column in ends.items()), "probability", "kind")


def _in_parts(pairs: DataFrame, alone: frozenset[str], parts: int) -> DataFrame:
    """The pairs with the number of their part.

    Where both sources name each thing once, any two pairs compete that a chain of pairs joins; where one of
    them does, those of one record of the other.
    """
    from pyspark.sql import functions as F

    from xmer_spark.clustering.stage import connected_components

    if parts == 1:
        return pairs.withColumn("part", F.lit(0))
    first, second = (F.col(source).isin(sorted(alone)) for source in ("first", "second"))
    # A record is another node in each two sources: pairs compete with those of the same sources only.
    nodes = (F.xxhash64("first", "second", key) for key in ("first_key", "second_key"))
    matched = pairs.withColumns(dict(zip(("node", "partner"), nodes, strict=True)))
    whole = connected_components(matched.where(first & second).select("node", "partner"))
    rival = F.coalesce("component", F.when(first, F.col("second_key")).otherwise(F.col("first_key")))
    divided = matched.join(whole, "node", "left").withColumn("part", F.pmod(F.xxhash64(rival), F.lit(parts)))
    return divided.drop("node", "partner", "component")


def _weighed(pairs: pa.Table, alone: frozenset[str], slack: Slack, correction: Correction) -> pa.Table:
    import pyarrow as pa

    first, second = (pairs[name][0].as_py() for name in ("first", "second"))
    left, right = (pairs[name].to_numpy() for name in ("first_key", "second_key"))
    own_slack = slack.get(direction_name(first, second), 0.0)
    once = (first in alone, second in alone)
    found = decide(left, right, pairs["probability"].to_numpy(), *once, own_slack)
    found = corrected(found, pairs["kind"].to_numpy(), correction).astype(np.float32)
    keys = pa.array(np.minimum(left, right)), pa.array(np.maximum(left, right))
    return pa.table([*keys, pa.array(found)], names=["left_key", "right_key", "decided"])
