"""A million synthetic records from encoding to published entities, and how the cost grows.

    python -m tests.benchmarks.end_to_end --records 100000 1000000

Half of the records are of one modality, half of the other; each thing is in both. Vectors are linear
images of a hidden one, with noise. The whole pipeline runs, with a resolver trained on 4,000 labelled
things; a line of JSON a size gives the seconds of every step, the peak memory of all its processes, and
how well the truth was found among all records.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.measuring import Cost, measured, report
from tests.slices import PLACES
from xmer_spark.config import load_config
from xmer_spark.runtime import logs
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

LABELLED, HIDDEN, WIDTH, NOISE = 4_000, 24, 64, 0.25
CONFIG = """
name = "synthetic"
[spark]
driver_memory = "{memory}"
shuffle_partitions = 16
[extract]
image = ["precomputed"]
text = ["precomputed"]
[space]
method = "cca"
[space.parameters.cca]
dimensions = 128
[hashing]
bits = 128
[blocking]
partitions = 16
pairs = ["a/b"]
target_recall = 0.95
"""
SOURCE = """
[[source]]
name = "{name}"
kind = "parquet"
path = "{folder}/{name}.parquet"
key = "key"
fields = {{vector = {{type = "vector", modality = "{modality}"}}}}
entity = "entity"
split = "split"
one_per_entity = true
"""
STEPS = ("ingest", "extract", "train", "resolve")


def write_source(folder: Path, name: str, things: int, seed: int) -> None:
    """One source's records in an order of its own; the truth of the first things only is told."""
    hidden = np.random.default_rng(0).standard_normal((things, HIDDEN)).astype(np.float32)
    random = np.random.default_rng(seed)
    vectors = hidden @ random.standard_normal((HIDDEN, WIDTH)).astype(np.float32) / HIDDEN**0.5
    vectors += NOISE * random.standard_normal(vectors.shape, dtype=np.float32)
    order = random.permutation(things)
    known = order < LABELLED
    split = np.where(order % 5 == 0, "validation", "train")
    table = pa.table(
        {
            "key": [f"{name}-{number}" for number in random.permutation(things)],
            "vector": pa.FixedSizeListArray.from_arrays(vectors[order].ravel(), WIDTH).cast(
                pa.list_(pa.float32())
            ),
            "entity": pa.array([str(t) for t in order], mask=~known),
            "split": pa.array(split, mask=~known),
            "truth": order,
        }
    )
    pq.write_table(table, folder / f"{name}.parquet", row_group_size=50_000)


def truth_found(folder: Path) -> tuple[float, float]:
    """Precision and recall of the pairs of one entity, over all records."""
    published = Published(f"{folder}/warehouse")
    for name in ("a", "b"):
        published.connection.register(f"source_{name}", pq.read_table(folder / f"{name}.parquet"))
    answer = published.query(
        """
        WITH truth AS (
            SELECT 'a/' || key AS record_id, truth FROM source_a
            UNION ALL SELECT 'b/' || key, truth FROM source_b),
        placed AS (SELECT entity_id, truth FROM members JOIN truth USING (record_id)),
        pairs AS (SELECT entity_id, count(*) AS n, count(DISTINCT truth) AS t FROM placed GROUP BY entity_id)
        SELECT count(*) FILTER (n = 2 AND t = 1)::DOUBLE AS hits, sum(n * (n - 1) / 2)::DOUBLE AS made
        FROM pairs
        """
    ).to_pylist()[0]
    things = published.query("SELECT count(*) AS n FROM members").to_pylist()[0]["n"] / 2
    return answer["hits"] / max(answer["made"], 1), answer["hits"] / things


def measure(records: int, memory: str) -> None:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        for seed, name in enumerate(("a", "b"), 1):
            write_source(folder, name, records // 2, seed)
        config = folder / "synthetic.toml"
        sources = (
            SOURCE.format(folder=folder, name=n, modality=m) for n, m in (("a", "image"), ("b", "text"))
        )
        config.write_text(CONFIG.format(memory=memory) + PLACES.format(folder=folder) + "".join(sources))
        context = Context(load_config(config))
        costs = {step: measured(partial(job(step), context))[0] for step in STEPS}
        counts = next(run.counts for run in context.runs() if run.job == "resolve")
        context.close()
        precision, recall = truth_found(folder)
        report(
            ", ".join(STEPS),
            records,
            Cost(
                sum(cost.seconds for cost in costs.values()),
                sum(cost.cpu_seconds for cost in costs.values()),
                max(cost.peak_gib for cost in costs.values()),
            ),
            steps={step: round(cost.seconds, 1) for step, cost in costs.items()},
            candidates=counts["candidates"],
            precision=round(precision, 4),
            recall=round(recall, 4),
        )


def job(step: str) -> Callable[[Context], object]:
    found: Callable[[Context], object] = getattr(importlib.import_module(f"jobs.{step}"), step)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--memory", default="6g", help="of the Spark driver, which here is all of Spark")
    options = parser.parse_args()
    logs.configure()
    for records in options.records:
        measure(records, options.memory)


if __name__ == "__main__":
    main()
