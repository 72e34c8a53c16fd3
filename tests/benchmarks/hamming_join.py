"""The exact Hamming join beside its peers: one JSON line for each comparison.

``python -m tests.benchmarks.hamming_join --n 100000`` for a try. ``seconds`` is wall time on local[2] from
codes in Parquet files to the pairs on the driver, after a small join has started Spark's Python workers.
``equal`` says whether both found the same pairs: all of them, or those of the left items that a peer was
given. Brute force and FAISS compare a part of the left side with the whole right one, and are scaled.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

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
PART = 2000
#: Items a side of the join by Spark ML.
ML_ITEMS = 20_000


class Data(NamedTuple):
    """Two sides of ``n`` codes each: one word an item, keys 0 to n - 1."""

    left: str
    right: str
    n: int
    radius: int


class Timed(NamedTuple):
    """A peer's pairs of left keys below ``part``, and the seconds it would take for all of them."""

    seconds: float
    pairs: Pairs
    part: int


def main() -> None:
    options = arguments()
    spark = session(options.memory)
    with tempfile.TemporaryDirectory() as folder:
        own(spark, write(spark, folder, 20_000, options.radius), options.partitions)  # starts the workers
        data = write(spark, folder, options.n, options.radius)
        even, pairs = own(spark, data, options.partitions)
        for name in options.peers:
            if name != "ml lsh":
                compare("even", spark, data, even, pairs, name)
        if "ml lsh" in options.peers:
            small = write(spark, folder, ML_ITEMS, options.radius)
            compare("even", spark, small, *own(spark, small, options.partitions), "ml lsh")
        if options.skew:
            data = write(spark, folder, options.n, options.radius, cleared=one_substring(options.radius))
            seconds, pairs = own(spark, data, options.partitions)
            compare("a tenth in one bucket", spark, data, seconds, pairs, "brute force")
            report("a tenth in one bucket", data.n, seconds, "even", even, None)
        if options.large:
            data = write(spark, folder, 10_000_000, 2)
            compare("even, radius 2", spark, data, *own(spark, data, 4 * options.partitions), "brute force")
    spark.stop()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The exact Hamming join beside its peers.")
    parser.add_argument("--n", type=int, default=1_000_000, help="items a side")
    parser.add_argument("--radius", type=int, default=3, help="bits of 64 that may differ")
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--memory", default="2g", help="of Spark's driver")
    parser.add_argument(
        "--peers", nargs="*", default=["brute force", "sql", "faiss", "ml lsh"], choices=list(PEERS)
    )
    parser.add_argument("--skew", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--large", action="store_true", help="also 10 million a side within 2 bits")
    return parser.parse_args()


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


def own(spark: SparkSession, data: Data, partitions: int) -> tuple[float, Pairs]:
    from xmer_spark.blocking.stage import hamming_join

    blocker = REGISTRY.build("radius", {"radius": data.radius})
    return timed(lambda: collected(hamming_join(*frames(spark, data), blocker, partitions)))


def sql(spark: SparkSession, data: Data) -> Timed:
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
    return Timed(*timed(lambda: collected(pairs)), data.n)


def brute_force(spark: SparkSession, data: Data) -> Timed:
    """numpy on one core."""
    left, right = read(data.left), read(data.right)
    part = min(PART, data.n)

    def search() -> Pairs:
        near = (np.flatnonzero(np.bitwise_count(code ^ right) <= data.radius) for code in left[:part])
        return rows((i, int(j)) for i, found in enumerate(near) for j in found)

    seconds, pairs = timed(search)
    return Timed(seconds * data.n / part, pairs, part)


def faiss_flat(spark: SparkSession, data: Data) -> Timed:
    """IndexBinaryFlat, its range search on two threads."""
    import faiss

    faiss.omp_set_num_threads(2)
    left, right = (read(path)[:, None].view(np.uint8) for path in (data.left, data.right))
    part = min(PART, data.n)
    index = faiss.IndexBinaryFlat(64)
    index.add(right)
    seconds, (limits, _, found) = timed(lambda: index.range_search(left[:part], data.radius + 1))
    queries = np.repeat(np.arange(part), np.diff(limits.astype(np.int64)))
    return Timed(seconds * data.n / part, rows(zip(queries, found, strict=True)), part)


def ml_lsh(spark: SparkSession, data: Data) -> Timed:
    """BucketedRandomProjectionLSH over the bits: their Euclidean distance is the root of Hamming's."""
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
        inputCol="x", outputCol="hashes", bucketLength=0.1, numHashTables=2, seed=0
    )

    def join() -> Pairs:
        model = method.fit(sides[0])
        near = model.approxSimilarityJoin(sides[0], sides[1], data.radius**0.5 + 1e-6)
        return collected(near.selectExpr("datasetA.item_key AS left_key", "datasetB.item_key AS right_key"))

    return Timed(*timed(join), data.n)


PEERS: dict[str, Callable[[SparkSession, Data], Timed]] = {
    "brute force": brute_force,
    "sql": sql,
    "faiss": faiss_flat,
    "ml lsh": ml_lsh,
}


def compare(work: str, spark: SparkSession, data: Data, seconds: float, pairs: Pairs, peer: str) -> None:
    try:
        result = PEERS[peer](spark, data)
    except ImportError as missing:
        print(json.dumps({"work": work, "n": data.n, "peer": peer, "skipped": str(missing)}), flush=True)
        return
    asked = pairs[pairs[:, 0] < result.part]
    report(work, data.n, seconds, peer, result.seconds, np.array_equal(asked, result.pairs))


def report(work: str, n: int, seconds: float, peer: str, peer_seconds: float, equal: bool | None) -> None:
    line = {
        "work": work,
        "n": n,
        "seconds": round(seconds, 2),
        "peer": peer,
        "peer_seconds": round(peer_seconds, 2),
        "ratio": round(peer_seconds / seconds, 2),
        "equal": equal,
    }
    print(json.dumps(line), flush=True)


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


def timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
