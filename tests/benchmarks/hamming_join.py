"""The exact Hamming join beside its peers: one JSON line for each comparison.

``python -m tests.benchmarks.hamming_join --n 100000`` for a try, ``--peers`` alone for no peer. ``seconds``
is wall time on local[2] from codes in Parquet files to the pairs on the driver, after a small join has
started Spark's Python workers; ``cpu_seconds`` is that of all processes, which a busy machine leaves as it
is, and ``cpu_ratio`` compares it with the peer's. ``equal`` says whether both found the same pairs: all of
them, or those of the left items that a peer was given; ``recall`` which share of the pairs the peer found.
Brute force and FAISS compare a part of the left side with the whole right one, and are scaled.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pyarrow.parquet as pq

from xmer_spark.blocking import REGISTRY
from xmer_spark.blocking.allocation import uniform_allocation

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: (left_key, right_key) rows, sorted.
Pairs = np.ndarray

T = TypeVar("T")

#: Left items that FAISS and brute force are given.
PART = 1000
LARGE = 10_000_000
#: Distinct codes of the sample that the planner sees.
SAMPLE = 4000


class Data(NamedTuple):
    """Two sides of ``n`` codes each: one word an item, keys 0 to n - 1."""

    left: str
    right: str
    n: int
    radius: int


class Cost(NamedTuple):
    """Wall and CPU seconds, and the most memory at once in GiB, of this process and all it started."""

    seconds: float
    cpu_seconds: float
    peak_gib: float = 0.0

    def times(self, factor: float) -> Cost:
        return Cost(self.seconds * factor, self.cpu_seconds * factor, self.peak_gib)


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
    parser.add_argument("--n", type=int, default=1_000_000, help="items a side")
    parser.add_argument("--ml-n", type=int, default=20_000, help="items a side for Spark ML")
    parser.add_argument("--radius", type=int, default=3, help="bits of 64 that may differ")
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--memory", default="2g", help="of Spark's driver")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--work", nargs="+", default=["even", "skew", "planner"], choices=list(WORKS))
    return parser.parse_args()


def even(spark: SparkSession, folder: str, options: argparse.Namespace) -> None:
    """Evenly spread codes, beside all peers; Spark ML gets fewer."""
    for peers, n in (
        ([peer for peer in options.peers if peer != "ml lsh"], options.n),
        ([peer for peer in options.peers if peer == "ml lsh"], options.ml_n),
    ):
        if peers or n == options.n:
            data = write(spark, folder, n, options.radius)
            compare("even", spark, data, *own(spark, data, options.partitions), peers)


def skew(spark: SparkSession, folder: str, options: argparse.Namespace) -> None:
    """A tenth of either side in one bucket, beside the even case; ``ratio`` is what that saves."""
    data = write(spark, folder, options.n, options.radius)
    crowded = write(spark, folder, options.n, options.radius, cleared=one_substring(options.radius))
    best: dict[str, tuple[Cost, Pairs]] = {}
    for _ in range(3):  # in turns, for what else the machine does changes
        for name, side in (("even", data), ("crowded", crowded)):
            cost, pairs = own(spark, side, options.partitions)
            if name not in best or cost.cpu_seconds < best[name][0].cpu_seconds:
                best[name] = cost, pairs
    work = "a tenth in one bucket"
    report(work, crowded.n, best["crowded"][0], "even", best["even"][0])
    compare(work, spark, crowded, *best["crowded"], [p for p in options.peers if p == "brute force"])


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
    """10 million a side within 2 bits."""
    data = write(spark, folder, LARGE, 2)
    cost, pairs = own(spark, data, 4 * options.partitions)
    report("even, radius 2", LARGE, cost)
    compare("even, radius 2", spark, data, cost, pairs, [p for p in options.peers if p == "brute force"])


def planner(spark: SparkSession, folder: str, options: argparse.Namespace) -> None:
    """What the planner predicts of the join, beside what happened: peer_seconds are those of one core."""
    from xmer_spark.blocking.planner import Population, predict

    for radius in (options.radius, 2 * options.radius):
        data = write(spark, folder, options.n, radius)
        left, right = (read(path)[:, None] for path in (data.left, data.right))
        near = np.arange(7, data.n, 100)
        step = max(1, data.n // SAMPLE)
        people = Population(left[::step], right[::step], data.n, data.n, left[near], right[near], 16)
        blocker = REGISTRY.build("radius", {"radius": radius, "items": data.n})
        predicted = predict(blocker, people, options.partitions)
        cost, pairs = own(spark, data, options.partitions)
        report(
            f"planner, radius {radius}",
            data.n,
            cost,
            "prediction",
            Cost(predicted.seconds / 2, predicted.seconds),
            pairs=len(pairs),
            predicted_most_pairs=round(predicted.most_pairs),
            predicted_recall=predicted.recall,
        )


WORKS: dict[str, Callable[[Any, str, argparse.Namespace], None]] = {
    "even": even,
    "skew": skew,
    "growth": growth,
    "planner": planner,
    "large": large,
}


def session(memory: str) -> SparkSession:
    from xmer_spark.config import Spark
    from xmer_spark.session import build_session

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
    from xmer_spark.blocking.stage import hamming_join

    blocker = REGISTRY.build("radius", {"radius": data.radius})
    return measured(lambda: collected(hamming_join(*frames(spark, data), blocker, partitions)))


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

    It compares one pair in 35. Several tables, or longer buckets, find more pairs and take proportionally
    longer: no setting of it cuts the work without the recall, as a hash is one projection.
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
        inputCol="x", outputCol="hashes", bucketLength=0.05, numHashTables=1, seed=0
    )

    def join() -> Pairs:
        model = method.fit(sides[0])
        near = model.approxSimilarityJoin(sides[0], sides[1], data.radius**0.5 + 1e-6)
        return collected(near.selectExpr("datasetA.item_key AS left_key", "datasetB.item_key AS right_key"))

    return Found(*measured(join), data.n)


PEERS: dict[str, Callable[[Any, Data], Found]] = {
    "brute force": brute_force,
    "sql": sql,
    "faiss": faiss_flat,
    "ml lsh": ml_lsh,
}


def compare(
    work: str, spark: SparkSession, data: Data, cost: Cost, pairs: Pairs, peers: Iterable[str]
) -> None:
    """A line for each peer; one without any where none is asked for."""
    asked = list(peers)
    if not asked:
        report(work, data.n, cost)
    for peer in asked:
        try:
            found = PEERS[peer](spark, data)
        except ImportError as missing:
            report(work, data.n, cost, peer, skipped=str(missing))
            continue
        expected = pairs[pairs[:, 0] < found.part]
        equal = np.array_equal(expected, found.pairs)
        both = len({*map(tuple, expected.tolist())} & {*map(tuple, found.pairs.tolist())})
        recall = round(both / len(expected), 4) if len(expected) else None
        report(work, data.n, cost, peer, found.cost, equal=equal, recall=recall)


def report(
    work: str, n: int, cost: Cost, peer: str | None = None, other: Cost | None = None, **more: object
) -> None:
    line: dict[str, object] = {
        "work": work,
        "n": n,
        "seconds": round(cost.seconds, 2),
        "cpu_seconds": round(cost.cpu_seconds, 2),
        "peak_gib": round(cost.peak_gib, 2),
    }
    if peer is not None:
        line["peer"] = peer
    if other is not None:
        line |= {
            "peer_seconds": round(other.seconds, 2),
            "ratio": round(other.seconds / cost.seconds, 2),
            "peer_cpu_seconds": round(other.cpu_seconds, 2),
            "cpu_ratio": round(other.cpu_seconds / cost.cpu_seconds, 2),
        }
    print(json.dumps(line | more), flush=True)


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


def measured(work: Callable[[], T]) -> tuple[Cost, T]:
    peak = [0.0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            peak[0] = max(peak[0], sum(map(resident, processes())) / 2**20)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    start, cpu = time.perf_counter(), cpu_seconds()
    result = work()
    cost = time.perf_counter() - start, cpu_seconds() - cpu
    done.set()
    watching.join()
    return Cost(*cost, peak[0]), result


def processes() -> list[int]:
    """This process and all that it started, directly or not."""
    parent = {pid: int(fields[1]) for pid, fields in _statistics().items()}
    found = [os.getpid()]
    for pid in found:
        found += [child for child, its_parent in parent.items() if its_parent == pid]
    return found


def cpu_seconds() -> float:
    """Of these processes, and of those they started that have ended."""
    statistics = _statistics()
    ticks = sum(int(t) for pid in processes() if pid in statistics for t in statistics[pid][11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """KiB, what is shared by several processes divided among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _statistics() -> dict[int, list[str]]:
    """By process, the fields of its ``stat`` from the state on (proc(5))."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
    return found


if __name__ == "__main__":
    main()
