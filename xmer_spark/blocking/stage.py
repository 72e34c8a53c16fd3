"""Blocking on Spark: embeddings -> blocks of candidate pairs.

What travels between tasks is blocks, not rows: a task hashes an Arrow batch at once and sends each
partition that one of its items can meet a pair in a single row with all these items (``shipping``). There
the blocker joins them in memory (``meeting``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt

import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from xmer_spark.blocking.base import Blocker
from xmer_spark.blocking.meeting import PAIR, Blocks, Pairs, pairs_of_blocks
from xmer_spark.blocking.shipping import SHIPMENT, Plan, Ship
from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.names import pair_name
from xmer_spark.numerics import arrow
from xmer_spark.schema import CANDIDATE_BLOCK

#: Sources from which a sample is taken first, to see how their codes are spread, and its size.
SAMPLE_FROM, SAMPLE = 200_000, 16_384


def candidate_blocks(
    embeddings: DataFrame,
    blockers: Mapping[str, Blocker],
    source_pairs: Sequence[tuple[str, str]],
    partitions: int,
) -> DataFrame:
    """The candidate pairs between pairs of sources, as rows of ``schema.CANDIDATE_BLOCK``.

    ``embeddings`` has item_key, source, modality, embedding and code; a source holds one modality.
    ``blockers`` has the blocker of each modality pair in sorted order, such as ``image-text``. A source
    paired with itself is joined with itself: each pair once, its left key the lesser. Whether two items are
    candidates depends on them alone, not on ``partitions``; more of these need less memory each.
    """
    sources = embeddings.groupBy("source", "modality").count().sort("source", "modality").collect()
    plan = _plan([(row.source, row.modality) for row in sources], blockers, source_pairs)
    items = embeddings.select("item_key", "source", "embedding", "code")
    shipments, plan = _shipped(items, {row.source: row["count"] for row in sources}, plan, partitions)
    return shipments.mapInArrow(Blocks(plan, partitions), CANDIDATE_BLOCK)


def candidate_pairs(blocks: DataFrame, blocker: str) -> DataFrame:
    """Blocks of candidates as rows of the table pairs, for those who want to look at every candidate."""
    return blocks.mapInArrow(pairs_of_blocks, PAIR).select(
        "left_key", "right_key", F.array(F.lit(blocker)).alias("blockers"), "hamming"
    )


def hamming_join(left: DataFrame, right: DataFrame | None, blocker: Blocker, partitions: int) -> DataFrame:
    """The candidate pairs of two tables of codes, one per row: left_key, right_key, hamming.

    Either side has item_key (distinct) and code (array<bigint>); no vectors travel. Without ``right``,
    ``left`` is joined with itself: each pair once, left_key < right_key. The codes are counted, and a few
    of many sampled, before this returns; they are best stored or cached.
    """
    pair = ("left", "left") if right is None else ("left", "right")
    codes = left.select("item_key", F.lit("left").alias("source"), "code")
    if right is not None:
        codes = codes.unionAll(right.select("item_key", F.lit("right").alias("source"), "code"))
    _check_symmetric(pair, blocker)
    sizes = {"left": left.count()} if right is None else {"left": left.count(), "right": right.count()}
    shipments, plan = _shipped(codes, sizes, {pair: blocker}, partitions)
    return shipments.mapInArrow(Pairs(plan, partitions), PAIR)


def _shipped(
    items: DataFrame, sizes: Mapping[str, int], plan: Plan, partitions: int
) -> tuple[DataFrame, Plan]:
    """Every item where its pairs are made, and the plan, tuned to the items, that says where that is."""
    used = sorted({source for pair in plan for source in pair})
    items = items.where(F.col("source").isin(used))
    large = {source: sizes[source] for source in used if sizes.get(source, 0) >= SAMPLE_FROM}
    plan = _tuned(items, large, plan, partitions)
    shipments = items.mapInArrow(Ship(plan, partitions), SHIPMENT)
    return shipments.repartitionById(partitions, "destination"), plan


def _tuned(items: DataFrame, sizes: Mapping[str, int], plan: Plan, partitions: int) -> Plan:
    """The blockers tuned to samples of these sources; the sample depends on the keys alone."""
    if not any(a in sizes and b in sizes for a, b in plan):
        return plan
    drawn = F.lit(False)
    for source, size in sorted(sizes.items()):
        chance = int(SAMPLE / size * 2**32)
        drawn |= (F.col("source") == source) & (F.pmod(F.xxhash64("item_key"), F.lit(2**32)) < chance)
    sample = items.where(drawn).select("item_key", "source", "code").toArrow().sort_by("item_key")
    codes = {
        source: arrow.codes(sample.filter(pc.equal(sample["source"], source))["code"], f"codes of {source!r}")
        for source in sorted(sizes)
    }
    tuned = dict(plan)
    for (a, b), blocker in plan.items():
        if a in codes and b in codes:
            tuned[a, b] = blocker.tuned(codes[a], codes[b], isqrt(sizes[a] * sizes[b]), partitions)
    return tuned


def _plan(
    sources: Sequence[tuple[str, str]],
    blockers: Mapping[str, Blocker],
    source_pairs: Sequence[tuple[str, str]],
) -> Plan:
    """The blocker of every pair of sources that have items; each unordered pair of sources once.

    ``sources`` are sources with their modalities.
    """
    modality: dict[str, str] = {}
    for source, kind in sources:
        if modality.setdefault(source, kind) != kind:
            raise XmerError(
                f"blocking: source {source!r} has items of modality {modality[source]} and {kind}; "
                "make it one source per modality"
            )
    plan: Plan = {}
    for left, right in source_pairs:
        if left not in modality or right not in modality or (right, left) in plan:
            continue
        name = pair_name(modality[left], modality[right])
        if name not in blockers:
            raise ConfigError(f"blocking: no blocker for the modality pair {name} of {left} and {right}")
        plan[left, right] = blockers[name]
        _check_symmetric((left, right), plan[left, right])
    return plan


def _check_symmetric(pair: tuple[str, str], blocker: Blocker) -> None:
    if pair[0] == pair[1] and not blocker.symmetric:
        raise ConfigError(
            f"blocking: {type(blocker).__name__} treats its two sides differently, so it cannot join source "
            f"{pair[0]!r} with itself"
        )
