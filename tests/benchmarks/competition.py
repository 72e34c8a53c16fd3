"""Matches decided beside their rivals, in parts and in one: one JSON line for each size.

``python -m tests.benchmarks.competition --matches 200000`` for a try. Two sources name each thing once, and
things are alike in groups: of each record, its partner and a few others of its group are matches. ``seconds``
is wall time on local[2] from scored pairs in Parquet files to all decided ones computed, in parts of
``--task-pairs`` as a resolution makes them; ``peer_seconds`` is all of them in one task. ``equal`` says
whether both are the same to the last bit; ``right`` is the share of the things whose partner is the most
probable of its matches, before and after.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.clustering import session
from tests.benchmarks.measuring import measured, report
from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.numerics.logistic import sigmoid
from xmer_spark.resolver.model import Resolver
from xmer_spark.scoring.scorer import PairScorer
from xmer_spark.steps.resolve.deciding import decided

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Things that are alike, and how many of a group each record is matched with, its partner included.
GROUP, RIVALS = 8, 4
#: Rows of a file.
ROWS = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Matches decided beside their rivals.")
    parser.add_argument("--matches", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--task-pairs", type=int, default=1_000_000, help="what a task receives, about")
    parser.add_argument("--memory", default="6g", help="of Spark's driver")
    options = parser.parse_args()
    spark = session(options.memory)
    for matches in [10_000, *options.matches]:  # the first starts the workers
        with tempfile.TemporaryDirectory() as folder:
            write_matches(Path(folder), matches)
            parts = max(2, ceil(matches / options.task_pairs))
            own, found = measured(partial(decide, spark, folder, parts))
            peer, expected = measured(partial(decide, spark, folder, 1))
            if matches in options.matches:
                equal = found.equals(expected)
                right = shares_right(Path(folder), found)
                report(
                    "competition", matches, own, "in one task", peer, parts=parts, equal=equal, right=right
                )
    spark.stop()


def write_matches(folder: Path, count: int) -> None:
    """Scored pairs of two sources: thing t is record t on the left and record ``count`` + t on the right."""
    random = np.random.default_rng(0)
    things = np.arange(count // RIVALS // GROUP * GROUP)
    steps = np.array([random.permutation(GROUP - 1)[: RIVALS - 1] + 1 for _ in range(1_000)])
    others = np.c_[np.zeros(len(things), int), steps[random.integers(0, len(steps), len(things))]]
    right = things[:, None] // GROUP * GROUP + (things[:, None] + others) % GROUP
    true = others.ravel() == 0
    probability = sigmoid(random.normal(np.where(true, 0.0, -1.5), 1.5))
    n = len(true)
    table = pa.table(
        {
            "left_key": np.repeat(things, RIVALS),
            "right_key": right.ravel() + count,
            "left_source": pa.array(["a"] * n),
            "right_source": pa.array(["b"] * n),
            "probability": probability.astype(np.float32),
            "kind": np.zeros(n, np.int16),
        }
    )
    table = table.take(random.permutation(n))
    for start in range(0, n, ROWS):
        pq.write_table(table.slice(start, ROWS), folder / f"{start}.parquet")


def decide(spark: SparkSession, folder: str, parts: int) -> pa.Table:
    """What is decided, by rising keys."""
    resolver = Resolver(None, Comparer({}, {}), PairScorer("logistic"), {}, {}, slack={"a/b": -1.0})
    found = decided(spark.read.parquet(folder), resolver, {"a", "b"}, parts).toArrow()
    return found.sort_by([("left_key", "ascending"), ("right_key", "ascending")]).combine_chunks()


def shares_right(folder: Path, found: pa.Table) -> list[float]:
    """Of how many things the partner is the most probable match, before and after deciding."""
    order = [("left_key", "ascending"), ("right_key", "ascending")]
    before = pq.read_table(folder).sort_by(order)["probability"].to_numpy().reshape(-1, RIVALS)
    after = found["decided"].to_numpy().reshape(-1, RIVALS)
    keys = found["right_key"].to_numpy().reshape(-1, RIVALS)
    shift = keys.min() - found["left_key"].to_numpy().min()
    true = found["left_key"].to_numpy().reshape(-1, RIVALS) + shift == keys
    rows = np.arange(len(true))
    return [round(float(true[rows, p.argmax(axis=1)].mean()), 3) for p in (before, after)]


if __name__ == "__main__":
    main()
