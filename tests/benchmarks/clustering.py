"""Connected components and clustering beside SciPy and the driver: one JSON line for each comparison.

``python -m tests.benchmarks.clustering --edges 200000`` for a try. ``seconds`` is wall time on local[2] from
edges in Parquet files to all labels computed, after a small graph has started Spark's Python workers;
``peer_seconds`` is SciPy on one core, from the same edges in memory, or the driver's path. ``cpu_seconds`` is
what all processes used: on a machine that does other work too, half of it is what two free cores would take.
``equal`` says whether both found the same components or clusters.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.measuring import measured, report
from xmer_spark.clustering import REGISTRY
from xmer_spark.numerics.components import components

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Edges of each graph of the comparison by shape.
SHAPE_EDGES = 1_000_000
#: Records of an entity in the graph that is like entity resolution.
ENTITY = 6


def main() -> None:
    options = arguments()
    spark = session(options.memory)
    with tempfile.TemporaryDirectory() as folder:
        distributed(spark, write(folder, "first", chain(10_000)), options.task_edges)  # starts the workers
        if options.shapes:
            size = min(SHAPE_EDGES, options.edges)
            for name, edges in shapes(size).items():
                compare_components(spark, folder, name, edges, max(size // 8, 1))
        edges = entities(options.edges)
        compare_components(spark, folder, "entities", edges, options.task_edges)
        for method in options.methods:
            compare_clusters(spark, folder, method, edges, options.task_edges)
    spark.stop()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Components and clustering beside SciPy and the driver.")
    parser.add_argument("--edges", type=int, default=10_000_000, help="of the graph of small components")
    parser.add_argument("--task-edges", type=int, default=1_000_000, help="what a task receives")
    parser.add_argument("--memory", default="4g", help="of Spark's driver")
    parser.add_argument("--shapes", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--methods", nargs="*", default=["components", "one_per_source"])
    return parser.parse_args()


def session(memory: str) -> SparkSession:
    from xmer_spark.config import Spark
    from xmer_spark.runtime.session import build_session

    settings = Spark(master="local[2]", driver_memory=memory, shuffle_partitions=8)
    return build_session(settings, "clustering")


def shapes(m: int) -> dict[str, np.ndarray]:
    """Graphs of about ``m`` edges each: (m, 2)."""
    generator = np.random.default_rng(0)
    side = max(2, int((m / 2) ** 0.5))
    cells = np.arange(side * side).reshape(side, side)
    grid = [(cells[:, :-1], cells[:, 1:]), (cells[:-1], cells[1:])]
    return {
        "chain": chain(m),
        "shuffled chain": generator.permutation(generator.permutation(m + 1)[chain(m)]),
        "star": np.stack([np.full(m, m), np.arange(m)], axis=1),
        "grid": np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in grid]),
        "random, one large component": generator.integers(0, m, (m, 2)),
        "random, critical": generator.integers(0, 2 * m, (m, 2)),
    }


def chain(m: int) -> np.ndarray:
    return np.stack([np.arange(m), np.arange(1, m + 1)], axis=1)


def entities(m: int) -> np.ndarray:
    """Random pairs within entities of six records, whose keys are in no order: (m, 2)."""
    generator = np.random.default_rng(1)
    n = (int(1.4 * m) // ENTITY + 1) * ENTITY
    one = generator.integers(0, n, m)
    two = one // ENTITY * ENTITY + (one % ENTITY + generator.integers(1, ENTITY, m)) % ENTITY
    return generator.permutation(n)[np.stack([one, two], axis=1)]


def compare_components(
    spark: SparkSession, folder: str, work: str, edges: np.ndarray, task_edges: int
) -> None:
    """The components that Spark finds, beside SciPy's."""
    path = write(folder, work.replace(" ", "-").replace(",", ""), edges)
    own, table = measured(lambda: distributed(spark, path, task_edges))
    n = int(edges.max()) + 1
    peer, expected = measured(lambda: components(n, edges))
    found = np.arange(n)
    found[table["node"].to_numpy()] = table["component"].to_numpy()
    equal = np.array_equal(found, expected)
    report(f"components in tasks: {work}", len(edges), own, "scipy", peer, equal=equal)


def compare_clusters(
    spark: SparkSession, folder: str, method: str, edges: np.ndarray, task_edges: int
) -> None:
    """All records clustered in tasks, beside the same on the driver."""
    from xmer_spark.clustering.stage import cluster_matches

    matches, records = write_matches(folder, edges), write_records(folder, int(edges.max()) + 1)

    def clusters(most: int) -> np.ndarray:
        frame = cluster_matches(
            spark.read.parquet(records),
            spark.read.parquet(matches),
            REGISTRY.build(method),
            {"a", "b", "c"},
            0.5,
            most,
            task_links=task_edges,
        )
        return arrays(frame)

    tasks, found = measured(lambda: clusters(0))
    driver, expected = measured(lambda: clusters(len(edges)))
    equal = np.array_equal(found, expected)
    report(f"{method} in tasks", len(edges), tasks, "driver", driver, equal=equal)


def distributed(spark: SparkSession, path: str, task_edges: int) -> pa.Table:
    from xmer_spark.clustering.stage import connected_components

    return connected_components(spark.read.parquet(path), task_edges).toArrow()


def arrays(frame: DataFrame) -> np.ndarray:
    """The cluster of every record, in the order of their keys."""
    table = frame.toArrow()
    key = table["record_key"].to_numpy()
    cluster = np.empty(len(key), np.int64)
    cluster[key] = table["cluster"].to_numpy()
    return cluster


def write(folder: str, name: str, edges: np.ndarray) -> str:
    return write_table(f"{folder}/{name}", {"a": edges[:, 0], "b": edges[:, 1]})


def write_matches(folder: str, edges: np.ndarray) -> str:
    low, high = np.unique(np.sort(edges, axis=1), axis=0).T
    decided = 0.5 + np.random.default_rng(2).random(len(low), np.float32) / 2
    return write_table(f"{folder}/matches", {"left_key": low, "right_key": high, "decided": decided})


def write_records(folder: str, n: int) -> str:
    key = np.arange(n)
    sources = pa.DictionaryArray.from_arrays(pa.array(key % 3, pa.int8()), ["a", "b", "c"]).cast(pa.string())
    return write_table(f"{folder}/records", {"record_key": key, "source": sources})


def write_table(path: str, columns: dict[str, np.ndarray | pa.Array]) -> str:
    """A folder of four files."""
    Path(path).mkdir(exist_ok=True)
    table = pa.table(columns)
    share = -(-len(table) // 4)
    for part in range(4):
        pq.write_table(table.slice(part * share, share), f"{path}/{part}.parquet")
    return path


if __name__ == "__main__":
    main()
