"""The exact Hamming join beside its peers: one JSON line for each comparison.

``python -m tests.benchmarks.hamming_join --n 100000`` for a try, ``--peers`` alone for no peer. ``seconds``
is wall time on local[2] from codes in Parquet files to the pairs on the driver, which are made as those of
records are; ``cpu_seconds`` is that of all processes, which a busy machine leaves as it is. A first join of
the same size warms Spark up (its line says so); then it and the SQL join run in turns, and the fastest run of
either counts. ``equal`` says whether both found the same pairs: all of them, or those of the left items that
a peer was given; ``recall`` which share of the pairs the peer found. Brute force and FAISS compare a part of
the left side with the whole right one, and are scaled.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.measuring import Cost, fastest, measured, report
from xmer_spark.blocking.allocation import uniform_allocation
from xmer_spark.blocking.records import REGISTRY
from xmer_spark.blocking.records.base import RecordBlocker, Records

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: (left_key, right_key) rows, sorted.
Pairs = np.ndarray

#: Runs of which the fastest counts, of the own join and of the peers that do not take minutes.
RUNS, QUICK = 3, ("sql",)
#: Left items that FAISS and brute force are given.
PART = 1000
LARGE = 10_000_000


class Data(NamedTuple):
    """Two sides of ``n`` codes each: one word an item, keys 0 to n - 1."""

    left: str
    right: str
    n: int
    radius: int


class Found(NamedTuple):
    """A peer's pairs of left keys below ``part``, and what it would cost to find them all."""

    cost: Cost
    pairs: Pairs
    part: int


def main() -> None:
    options = arguments()
    spark = session(options.memory)
    with tempfile.TemporaryDirectory() as folder:
        own(spark, write(spark, folder, 20_000, 3), options.partitions)  # starts the workers
        for work in options.work:
            WORKS[work](spark, folder, options)
    spark.stop()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The exact Hamming join beside its peers.")
    parser.add_argument("--n", type=int, default=1_000_000, help="items per side")
    parser.add_argument("--ml-n", type=int, default=20_000, help="items per side for Spark ML")
    parser.add_argument("--radius", type=int, default=3, help="bits of 64 that may differ")
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--memory", default="2g", help="of Spark's driver")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--work", nargs="+", default=["even", "skew"], choices=list(WORKS))
    return parser.parse_args()


def even(spark: SparkSession, folder: str, options: argparse.Namespace) -> None:
    """Evenly spread codes, beside all peers; Spark ML gets fewer."""
    for peers, n in (
        ([peer for peer in options.peers if peer != "ml lsh"], options.n),
        ([peer for peer in options.peers if peer == "ml lsh"], options.ml_n),
    ):
        if peers or n == options.n:
            data = write(spark, folder, n, options.radius)
            first, _ = own(spark, data, options.partitions)
            report("even, the first join of a session", n, first)
            compare("even", spark, data, options, peers)


def skew(spark: SparkSession, folder: str, options: argparse.Namespace) -> None:
    """A tenth of either side in one bucket, beside the even case; ``ratio`` is what that saves."""
    work = "a tenth in one bucket"
    data = write(spark, folder, options.n, options.radius)
    crowded = write(spark, folder, options.n, options.radius, cleared=one_substring(options.radius))
    turns = [partial(own_pairs, spark, side, options.partitions) for side in (data, crowded)]
    for turn in turns:
        turn()
    (cost, _), (crowded_cost, _) = fastest(RUNS, turns)
    report(work, crowded.n, crowded_cost, "even", cost)
    compare(work, spark, crowded, options, [p for p in options.peers if p == "brute force"])


def growth(spark: SparkSession, folder: str, options: argparse.Namespace) -> None:
    """Within 2 bits, where the answer grows as the sides do; ``exponent`` of CPU time since the last."""
    sizes = (options.n * 3 // 10, options.n, options.n * 3)
    costs = {}
    for n in sizes:
        data = write(spark, folder, n, 2)
        costs[n] = min(
            (own(spark, data, options.partitions)[0] for _ in range(2)), key=lambda c: c.cpu_seconds
        )
    for small, n in pairwise(sizes):
        exponent = log(costs[n].cpu_seconds / costs[small].cpu_seconds) / log(n / small)
        report("growth", n, costs[n], f"{small} items", costs[small], exponent=round(exponent, 2))


def large(spark: SparkSession, folder: str, options: argparse.Namespace) -> None:
    """10 million a side within 2 bits; ``planted`` is the share found of the pairs known to be near."""
    data = write(spark, folder, LARGE, 2)
    cost, pairs = own(spark, data, 4 * options.partitions)
    same = pairs[pairs[:, 0] == pairs[:, 1], 0]
    planted = float(np.isin(np.arange(7, LARGE, 100), same).mean())
    report("even, radius 2", LARGE, cost, pairs=len(pairs), planted=planted)
    if "brute force" in options.peers:
        beside("even, radius 2", data, cost, pairs, "brute force", brute_force(spark, data))


WORKS: dict[str, Callable[[Any, str, argparse.Namespace], None]] = {
    "even": even,
    "skew": skew,
    "growth": growth,
    "large": large,
}


def session(memory: str) -> SparkSession:
    from xmer_spark.config import Spark
    from xmer_spark.runtime.session import build_session

    # The default batch of 2048 rows suits images; codes are small.
    batch = {"spark.sql.execution.arrow.maxRecordsPerBatch": "65536"}
    settings = Spark(master="local[2]", driver_memory=memory, shuffle_partitions=8, conf=batch)
    return build_session(settings, "hamming join")


def write(spark: SparkSession, folder: str, n: int, radius: int, cleared: int = 0) -> Data:
    """Random codes; one right item in a hundred is near its left one. ``cleared`` bits are 0 in a tenth."""
    from pyspark.sql import functions as F

    key = F.col("id")
    left = F.xxhash64(key, F.lit("left"))
    near = left
    for flip in range(radius):
        near = near.bitwiseXOR(F.expr(f"shiftleft(1L, CAST(pmod(xxhash64(id, {flip}), 64) AS INT))"))
    right = F.when(key % 100 == 7, near).otherwise(F.xxhash64(key, F.lit("right")))
    kept = F.when(key % 10 == 0, F.lit(~cleared)).otherwise(F.lit(-1))
    paths = []
    for side, code in (("left", left), ("right", right)):
        paths.append(f"{folder}/{side}-{n}-{radius}-{cleared}")
        rows = spark.range(n, numPartitions=4).select(
            key.alias("item_key"), F.array(code.bitwiseAND(kept)).alias("code")
        )
        rows.write.mode("overwrite").parquet(paths[-1])
    return Data(paths[0], paths[1], n, radius)


def one_substring(radius: int) -> int:
    """The bits of one table of the usual allocation."""
    positions = uniform_allocation(radius, None, 1_000_000, 0, 64).tables[0].positions
    word = sum(1 << int(position) for position in positions)
    return word - (1 << 64 if word >> 63 else 0)


def own(spark: SparkSession, data: Data, partitions: int) -> tuple[Cost, Pairs]:
    return measured(partial(own_pairs, spark, data, partitions))


def own_pairs(spark: SparkSession, data: Data, partitions: int) -> Pairs:
    from xmer_spark.blocking.records.stage import candidate_pairs, record_blocks

    left, right = frames(spark, data)
    # The keys of records differ, on whichever side they are.
    records = left.selectExpr("item_key AS record_key", "'left' AS source", "code AS `photo/code`").unionAll(
        right.selectExpr(f"item_key + {data.n}", "'right'", "code")
    )
    plan = {("left", "right"): [near_codes(data.radius)]}
    pairs = candidate_pairs(record_blocks(records, plan, partitions, {"left": [], "right": []}), plan)
    return collected(pairs.selectExpr("left_key", f"right_key - {data.n} AS right_key"))


def near_codes(radius: int) -> RecordBlocker:
    """The blocker of all pairs within a radius, as a trained resolver has it: there is nothing to learn."""
    nothing = Records(np.empty(0, np.int64), pa.table({"photo/code": pa.array([], pa.list_(pa.int64()))}))
    blocker = REGISTRY.build("codes", {"field": "photo/code", "settings": {"radius": radius}})
    fitted: RecordBlocker = blocker.fit(nothing, nothing)
    return fitted


def sql(spark: SparkSession, data: Data) -> Found:
    """A join on the values of radius + 1 substrings, each pair kept by its first one."""
    left, right = frames(spark, data)
    count = data.radius + 1
    width = 64 // count
    mask = (1 << width) - 1
    part = "shiftrightunsigned({}, {}) & {}L"
    parts = ", ".join(
        f"struct({p} AS part, {part.format('code[0]', p * width, mask)} AS value)" for p in range(count)
    )
    sides = {
        side: frame.selectExpr(
            f"item_key AS {side}_key", f"code[0] AS {side}_code", f"explode(array({parts})) AS at"
        )
        for side, frame in (("left", left), ("right", right))
    }
    differing = "(left_code ^ right_code)"
    first = " + ".join(
        f"CAST(part > {p} AND {part.format(differing, p * width, mask)} = 0 AS INT)" for p in range(count)
    )
    pairs = (
        sides["left"].join(sides["right"], "at").selectExpr("*", "at.part AS part")
        .where(f"bit_count{differing} <= {data.radius} AND {first} = 0")
    )  # fmt: skip
    return Found(*measured(lambda: collected(pairs)), data.n)


def brute_force(spark: SparkSession, data: Data) -> Found:
    """numpy on one core."""
    left, right = read(data.left), read(data.right)
    part = min(PART, data.n)

    def search() -> Pairs:
        near = (np.flatnonzero(np.bitwise_count(code ^ right) <= data.radius) for code in left[:part])
        return rows((i, int(j)) for i, found in enumerate(near) for j in found)

    cost, pairs = measured(search)
    return Found(cost.times(data.n / part), pairs, part)


def faiss_flat(spark: SparkSession, data: Data) -> Found:
    """IndexBinaryFlat's range search on one thread; its wall time is halved, as if two shared it."""
    import faiss

    faiss.omp_set_num_threads(1)
    left, right = (read(path)[:, None].view(np.uint8) for path in (data.left, data.right))
    part = min(PART, data.n)
    index = faiss.IndexBinaryFlat(64)
    index.add(right)
    cost, (limits, _, found) = measured(lambda: index.range_search(left[:part], data.radius + 1))
    queries = np.searchsorted(limits, np.arange(len(found)), side="right") - 1
    cost = cost.times(data.n / part)._replace(seconds=cost.seconds * data.n / part / 2)
    return Found(cost, rows(zip(queries, found, strict=True)), part)


def ml_lsh(spark: SparkSession, data: Data) -> Found:
    """BucketedRandomProjectionLSH over the bits: their Euclidean distance is the root of Hamming's.

    Two tables with buckets this long find nearly all pairs, as the exact join does. Shorter buckets are
    faster and find fewer: half as long, in one table, two thirds of them.
    """
    from pyspark.ml.feature import BucketedRandomProjectionLSH
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions as F

    bits = "transform(sequence(0, 63), b -> CAST(shiftrightunsigned(code[0], b) & 1L AS DOUBLE))"
    sides = [
        frame.selectExpr("item_key", f"{bits} AS bits").select(
            "item_key", array_to_vector(F.col("bits")).alias("x")
        )
        for frame in frames(spark, data)
    ]
    method = BucketedRandomProjectionLSH(
        inputCol="x", outputCol="hashes", bucketLength=1.0, numHashTables=2, seed=0
    )

    def join() -> Pairs:
        model = method.fit(sides[0])
        near = model.approxSimilarityJoin(sides[0], sides[1], data.radius**0.5 + 1e-6)
        return collected(near.selectExpr("datasetA.item_key AS left_key", "datasetB.item_key AS right_key"))

    return Found(*measured(join), data.n)


PEERS: dict[str, Callable[[Any, Data], Found]] = {
    "sql": sql,
    "brute force": brute_force,
    "faiss": faiss_flat,
    "ml lsh": ml_lsh,
}


def compare(
    work: str, spark: SparkSession, data: Data, options: argparse.Namespace, peers: Iterable[str]
) -> None:
    """A line for each peer; those that are quick run several times, in turns with the own join."""
    for peer in peers:
        runs = RUNS if peer in QUICK else 1
        try:
            turns = [(own(spark, data, options.partitions), PEERS[peer](spark, data)) for _ in range(runs)]
        except ImportError as missing:
            print(json.dumps({"work": work, "peer": peer, "skipped": str(missing)}), flush=True)
            continue
        cost, pairs = min((mine for mine, _ in turns), key=lambda run: run[0].seconds)
        found = min((other for _, other in turns), key=lambda run: run.cost.seconds)
        beside(work, data, cost, pairs, peer, found)


def beside(work: str, data: Data, cost: Cost, pairs: Pairs, peer: str, found: Found) -> None:
    expected = pairs[pairs[:, 0] < found.part]
    equal = np.array_equal(expected, found.pairs)
    both = len({*map(tuple, expected.tolist())} & {*map(tuple, found.pairs.tolist())})
    recall = round(both / len(expected), 4) if len(expected) else None
    report(work, data.n, cost, peer, found.cost, equal=equal, recall=recall)


def frames(spark: SparkSession, data: Data) -> tuple[DataFrame, DataFrame]:
    return spark.read.parquet(data.left), spark.read.parquet(data.right)


def read(path: str) -> np.ndarray:
    """The codes in the order of their keys: (n) uint64."""
    table = pq.read_table(Path(path)).sort_by("item_key")
    return table["code"].combine_chunks().flatten().to_numpy().view(np.uint64)


def collected(pairs: DataFrame) -> Pairs:
    table = pairs.select("left_key", "right_key").toArrow()
    found = np.stack([table[side].to_numpy() for side in ("left_key", "right_key")], axis=1)
    return found[np.lexsort(found.T[::-1])]


def rows(pairs: Iterable[tuple[int, int]]) -> Pairs:
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


if __name__ == "__main__":
    main()
