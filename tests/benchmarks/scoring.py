"""Comparing and scoring candidate pairs beside a plain join: one JSON line for each.

``python -m tests.benchmarks.scoring --pairs 200000`` for a try. Records have either two contents in a common
space of 128 dimensions or five string fields, which are compared as one text, too. Core-seconds are user and
system time of the JVM and its Python workers together, and per million pairs.

- ``compare``: the evidence of pairs drawn at random, in this process; ``score``: what boosted trees make of
  it.
- ``blocks``: records -> blocks of candidate pairs, on local[2]; what comparing and scoring do not cost.
- ``resolve``: records -> blocks -> scored pairs above the review threshold -> their number.

The peer of ``resolve`` is a Spark join: one row per pair, joined with both records, compared and scored in
Arrow batches. Both get at most a million pairs there, and about two core-seconds of either are Spark's own.
``equal``: the same pairs, with probabilities that differ by less than 1e-5. The peer of ``compare`` prepares
and compares pair by pair, a few of them, and is scaled.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.measuring import Cost, measured, report
from tests.benchmarks.scoring_data import Work, in_fields, in_space
from xmer_spark.method import loaded_once, saved_files
from xmer_spark.numerics.evidence import Evidence
from xmer_spark.numerics.records import CODE, Records
from xmer_spark.resolver.model import Resolver

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REVIEW_THRESHOLD = 0.01
#: Pairs that the peers get.
PEER_PAIRS = {"compare": 500, "resolve": 1_000_000}
#: Pairs of the first run, which starts the workers.
FIRST = 50_000


class Stored(NamedTuple):
    """Records in a Parquet file, and how many tasks their pairs are made in."""

    work: Work
    path: str
    partitions: int

    @property
    def payload(self) -> dict[str, list[str]]:
        return {s.source: [name for name in s.columns if not name.endswith(CODE)] for s in self.work.sides}


def main() -> None:
    options = arguments()
    works = (in_space, in_fields)
    for make in works:
        in_process(make(options.pairs), options.pairs)
    spark = session(options.memory)
    with tempfile.TemporaryDirectory() as folder:
        for make in works:
            scored(spark, stored(folder, make(FIRST), options.partitions)).count()
            on_spark(spark, stored(folder, make(options.pairs), options.partitions))
            if options.peers:
                few = make(min(options.pairs, PEER_PAIRS["resolve"]))
                beside_a_join(spark, stored(folder, few, options.partitions))
    spark.stop()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Comparing and scoring candidate pairs beside a plain join.")
    parser.add_argument("--pairs", type=int, default=5_000_000, help="candidate pairs, about")
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--memory", default="2g", help="of Spark's driver")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args()


def session(memory: str) -> SparkSession:
    from xmer_spark.config import Spark
    from xmer_spark.runtime.session import build_session

    settings = Spark(master="local[2]", driver_memory=memory, shuffle_partitions=8)
    return build_session(settings, "scoring")


def in_process(work: Work, pairs: int) -> None:
    """Comparing by itself, beside pair by pair, and then scoring by itself."""
    left, right = work.sides
    random = np.random.default_rng(0)
    i = np.sort(random.integers(len(left), size=pairs, dtype=np.int32))
    j = random.integers(len(right), size=pairs, dtype=np.int32)
    cost, found = measured(lambda: evidence(work.resolver, left, right, i, j))
    few = random.integers(pairs, size=min(PEER_PAIRS["compare"], pairs))
    peer, expected = measured(
        lambda: [evidence(work.resolver, left.where(i[[k]]), right.where(j[[k]])).values[0] for k in few]
    )
    equal = bool(np.allclose(found.values[few], expected, rtol=0, atol=1e-5, equal_nan=True))
    report_pairs(f"compare, {work.name}", pairs, cost, "pair by pair", peer.times(pairs / len(few)), equal)
    cost, _ = measured(lambda: work.resolver.scorer.probability(found))
    report_pairs(f"score, {work.name}", pairs, cost)


def evidence(
    resolver: Resolver,
    left: Records,
    right: Records,
    i: np.ndarray | None = None,
    j: np.ndarray | None = None,
) -> Evidence:
    """The evidence of pairs of rows i and j, or of each left record and the right one beside it."""
    comparer, beside = resolver.comparer, np.arange(len(left), dtype=np.int32)
    sides = comparer.prepare(left), comparer.prepare(right)
    return comparer.evidence(*sides, beside if i is None else i, beside if j is None else j)


def stored(folder: str, work: Work, partitions: int) -> Stored:
    tables = [
        side.table().append_column("source", pa.repeat(side.source, len(side)).cast(pa.string()))
        for side in work.sides
    ]
    table = pa.concat_tables(tables, promote_options="default")
    path = f"{folder}/{work.name}-{len(table)}.parquet".replace(" ", "-")
    pq.write_table(table, path, row_group_size=max(1, len(table) // 4))
    return Stored(work, path, partitions)


def on_spark(spark: SparkSession, data: Stored) -> None:
    """Blocks alone, and blocks with their scores."""
    cost, pairs = measured(lambda: blocks(spark, data).selectExpr("sum(pairs)").collect()[0][0])
    report_pairs(f"blocks, {data.work.name}", pairs, cost)
    cost, _ = measured(lambda: scored(spark, data).count())
    report_pairs(f"resolve, {data.work.name}", pairs, cost)


def blocks(spark: SparkSession, data: Stored) -> DataFrame:
    from xmer_spark.blocking.records.stage import record_blocks

    plan = {data.work.sources: [data.work.blocker]}
    return record_blocks(spark.read.parquet(data.path), plan, data.partitions, data.payload)


def scored(spark: SparkSession, data: Stored) -> DataFrame:
    from xmer_spark.resolver.stage import score_blocks

    return score_blocks(blocks(spark, data), data.work.resolver, REVIEW_THRESHOLD)


def beside_a_join(spark: SparkSession, data: Stored) -> None:
    """Both on the few pairs that the join gets, whose own making is not counted."""
    from xmer_spark.blocking.records.stage import candidate_pairs

    plan = {data.work.sources: [data.work.blocker]}
    pairs = candidate_pairs(blocks(spark, data), plan).persist()
    count = pairs.count()
    cost, found = measured(lambda: collected(scored(spark, data)))
    peer, expected = measured(lambda: collected(joined(spark, data, pairs)))
    same = np.array_equal(found[0], expected[0]) and np.allclose(found[1], expected[1], rtol=0, atol=1e-5)
    report_pairs(f"resolve, {data.work.name}", count, cost, "join", peer, bool(same))
    pairs.unpersist()


def joined(spark: SparkSession, data: Stored, pairs: DataFrame) -> DataFrame:
    """One row per pair with both records."""
    rows = pairs
    for side, source in zip(("left", "right"), data.work.sources, strict=True):
        own = ", ".join(f"`{name}`" for name in ("record_key", *data.payload[source]))
        records = spark.read.parquet(data.path).selectExpr(
            f"record_key AS {side}_key", f"struct({own}) AS {side}"
        )
        rows = rows.join(records, f"{side}_key")
    files, sources = saved_files(data.work.resolver), data.work.sources

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        resolver = loaded_once(files, Resolver.load)
        for batch in batches:
            left, right = (
                Records.of(source, pa.RecordBatch.from_struct_array(batch[side]))
                for side, source in zip(("left", "right"), sources, strict=True)
            )
            probability = resolver.scorer.probability(evidence(resolver, left, right))
            columns = [batch["left_key"], batch["right_key"], pa.array(probability)]
            yield pa.RecordBatch.from_arrays(columns, names=["left_key", "right_key", "probability"])

    scores = rows.mapInArrow(score, "left_key bigint, right_key bigint, probability float")
    return scores.where(f"probability >= {REVIEW_THRESHOLD}")


def collected(frame: DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Keys (p, 2) in order, and probabilities (p)."""
    table = frame.select("left_key", "right_key", "probability").toArrow()
    table = table.sort_by([("left_key", "ascending"), ("right_key", "ascending")])
    keys = np.column_stack([table["left_key"].to_numpy(), table["right_key"].to_numpy()])
    return keys, table["probability"].to_numpy()


def report_pairs(
    work: str,
    pairs: int,
    cost: Cost,
    peer: str | None = None,
    other: Cost | None = None,
    equal: bool | None = None,
) -> None:
    same = {} if equal is None else {"equal": equal}
    per_million = round(cost.cpu_seconds / pairs * 1e6, 3)
    report(work, pairs, cost, peer, other, core_seconds_per_million=per_million, **same)


if __name__ == "__main__":
    main()
