"""Extraction on Spark beside a plain torch loop: one JSON line for each data set.

``python -m tests.benchmarks.extraction``. EfficientNet on one vendor's emoji (PNG) and, where the benchmark
data is present, on the photographs of web_news (JPEG). Both sides get two cores, as two tasks of one thread
or as one loop of two, and start with the model loaded; both run in turn, several times, and the fastest run
of each counts. ``ratio`` is that of images per second; ``equal`` allows vectors to differ by 1e-3.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.measuring import Cost, measured, report
from xmer_spark.config import Extract
from xmer_spark.features import REGISTRY
from xmer_spark.features.base import Extractor

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROOT = Path(__file__).resolve().parents[2]
PHOTOGRAPHS = ROOT.parent / "shared" / "data" / "web_news" / "images"
THREADS = 2
SETTINGS = Extract(device="cpu")


class Run(NamedTuple):
    """What a run took and the vectors (n, d) that it gave, in the order of the items."""

    cost: Cost
    vectors: np.ndarray


def main() -> None:
    options = arguments()
    spark = session(options.memory)
    extractor: Extractor = REGISTRY.build("efficientnet")
    with tempfile.TemporaryDirectory() as folder:
        for name, images in (("emoji", emoji()), ("photographs", photographs())):
            if images:
                compare(name, spark, extractor, images[: options.images], folder, options.runs)
    spark.stop()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Extraction on Spark beside a plain torch loop.")
    parser.add_argument("--images", type=int, default=2000, help="of each data set, at most")
    parser.add_argument("--runs", type=int, default=3, help="of either side")
    parser.add_argument("--memory", default="2g", help="of Spark's driver")
    return parser.parse_args()


def session(memory: str) -> SparkSession:
    from xmer_spark.config import Spark
    from xmer_spark.runtime.session import build_session

    settings = Spark(master=f"local[{THREADS}]", driver_memory=memory, shuffle_partitions=4)
    return build_session(settings, "extraction")


def emoji() -> list[bytes]:
    images: list[bytes] = pq.read_table(ROOT / "xmer_spark" / "sample" / "google.parquet")[
        "image"
    ].to_pylist()
    return images


def photographs() -> list[bytes]:
    return [path.read_bytes() for path in sorted(PHOTOGRAPHS.rglob("*.jpg"))]


def compare(
    name: str, spark: SparkSession, extractor: Extractor, images: list[bytes], folder: str, runs: int
) -> None:
    items = write(spark, images, f"{folder}/{name}.parquet")
    on_spark(extractor, items.limit(2 * SETTINGS.batch_size))  # starts the workers, which load the model
    plain_loop(extractor, images[: SETTINGS.batch_size])
    pairs = [(on_spark(extractor, items), plain_loop(extractor, images)) for _ in range(runs)]
    mine, peer = (min(side, key=lambda run: run.cost.seconds) for side in zip(*pairs, strict=True))
    report(
        f"extract, {name}",
        len(images),
        mine.cost,
        "torch loop",
        peer.cost,
        images_per_second=round(len(images) / mine.cost.seconds, 1),
        equal=bool(np.allclose(mine.vectors, peer.vectors, rtol=0, atol=1e-3)),
    )


def write(spark: SparkSession, images: list[bytes], path: str) -> DataFrame:
    count = len(images)
    table = pa.table(
        {
            "item_id": [f"s/{key}" for key in range(count)],
            "item_key": np.arange(count),
            "content_hash": [hashlib.sha256(image).hexdigest() for image in images],
            "modality": pa.repeat("image", count),
            "image": images,
        }
    )
    pq.write_table(table, path)
    return spark.read.parquet(path)


def on_spark(extractor: Extractor, items: DataFrame) -> Run:
    from xmer_spark.features.stage import extract_features

    cost, table = measured(
        lambda: extract_features(items, [extractor], SETTINGS).select("item_key", "vector").toArrow()
    )
    table = table.sort_by("item_key")
    return Run(cost, table["vector"].combine_chunks().flatten().to_numpy().reshape(table.num_rows, -1))


def plain_loop(extractor: Extractor, images: list[bytes]) -> Run:
    """Batch after batch: decode, run the model on both threads."""
    size = extractor.batch_size = SETTINGS.batch_size
    extractor.threads = THREADS
    starts = range(0, len(images), size)
    cost, vectors = measured(lambda: [extractor.extract(images[k : k + size]) for k in starts])
    return Run(cost, np.concatenate(vectors))


if __name__ == "__main__":
    main()
