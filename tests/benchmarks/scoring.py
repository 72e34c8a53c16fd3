"""Scoring candidate pairs beside a plain join: one JSON line for each comparison.

``python -m tests.benchmarks.scoring --pairs 200000`` for a try. Embeddings have 128 dimensions, codes are
their 128 signs. ``dense`` pairs are all pairs of few items; ``sparse`` ones are the nearest hundredth of all
pairs of many items. Core-seconds are user and system time of the JVM and its Python workers together.

- ``alone``: the scorer in this process, on pairs drawn at random from the same items.
- ``blocks``: embeddings -> candidate blocks, on local[2]; what scoring does not cost.
- ``score``: embeddings -> candidate blocks -> scored pairs above the review threshold -> their number.

The peer of ``score`` is a Spark join: one row per pair, joined with both items' embeddings and item evidence,
and scored in Arrow batches. Both get at most a million pairs there, and about two core-seconds of either are
Spark's own. ``equal``: the same pairs, with probabilities that differ by less than 1e-5. The peer of
``alone`` scores pair by pair, a few of them, and is scaled.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from math import isqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.measuring import Cost, measured, report
from xmer_spark.blocking import REGISTRY as BLOCKING
from xmer_spark.scoring.scorer import PairSample, PairScorer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DIMENSIONS = 128
PAIR = ("image", "text")
SOURCES = {"photos": "image", "captions": "text"}
REVIEW_THRESHOLD = 0.01
#: Share of all pairs that are candidates.
SHARES = {"dense": 1.0, "sparse": 0.01}
#: Pairs that the peers get.
PEER_PAIRS = {"alone": 2_000, "score": 1_000_000}


class Work(NamedTuple):
    """Items on either side, in a Parquet file, and the largest share of differing bits of a candidate."""

    name: str
    path: str
    items: int
    max_distance: float


def main() -> None:
    options = arguments()
    scorer = fitted()
    for name in SHARES:
        alone(name, scorer, options.pairs)
    spark = session(options.memory)
    with tempfile.TemporaryDirectory() as folder:
        scored(spark, scorer, make(folder, "dense", 50_000), options.partitions).count()  # starts the workers
        for name in SHARES:
            distributed(spark, scorer, make(folder, name, options.pairs), options.partitions)
            if options.peers:
                few = make(folder, name, min(options.pairs, PEER_PAIRS["score"]))
                beside_a_join(spark, scorer, few, options.partitions)
    spark.stop()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Scoring candidate pairs beside a plain join.")
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


def things(count: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Unit vectors of so many things in two modalities, and their classes of 8."""
    random = np.random.default_rng(seed)
    width = np.linspace(1.0, 0.2, DIMENSIONS, dtype=np.float32)
    z = random.standard_normal((count, DIMENSIONS), dtype=np.float32) * width
    views = {m: z + 0.8 * width * random.standard_normal(z.shape, dtype=np.float32) for m in PAIR}
    unit = {m: x / np.linalg.norm(x, axis=1, keepdims=True) for m, x in views.items()}
    return unit, (z[:, :3] > 0) @ np.array([1, 2, 4])


def fitted() -> PairScorer:
    """A scorer with all its evidence, fitted on things that are not scored."""
    x, classes = things(3000, 1)
    scorer = PairScorer().fit_items(x, dict.fromkeys(PAIR, classes))
    unseen, _ = things(500, 2)
    prepared = {m: scorer.prepare(m, unseen[m]) for m in PAIR}
    i, j = np.divmod(np.arange(500 * 500), 500)
    evidence = scorer.evidence(PAIR, prepared["image"], prepared["text"], i, j)
    return scorer.fit_pairs({PAIR: PairSample(evidence, i == j, np.ones(len(i)))})


def items_for(name: str, pairs: int) -> int:
    return isqrt(round(pairs / SHARES[name]))


def make(folder: str, name: str, pairs: int) -> Work:
    """Write the embeddings that have about so many candidate pairs."""
    count = items_for(name, pairs)
    x, _ = things(count, 3)
    parts = []
    for number, (source, modality) in enumerate(SOURCES.items()):
        signs = np.packbits(x[modality] > 0, axis=1, bitorder="little").view(np.int64)
        parts.append(
            pa.table(
                {
                    "item_key": np.arange(count) * 2 + number,
                    "source": pa.repeat(source, count),
                    "modality": pa.repeat(modality, count),
                    "embedding": lists(x[modality]),
                    "code": lists(signs),
                }
            )
        )
    path = f"{folder}/{name}-{pairs}.parquet"
    pq.write_table(pa.concat_tables(parts), path, row_group_size=max(1, count // 4))
    return Work(name, path, count, distance_of(x, SHARES[name]))


def lists(matrix: np.ndarray) -> pa.ListArray:
    width = matrix.shape[1]
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), width).cast(
        pa.list_(pa.from_numpy_dtype(matrix.dtype))
    )


def distance_of(x: dict[str, np.ndarray], share: float) -> float:
    """The share of differing bits within which that share of all pairs lies."""
    signs = [np.where(x[m][:1000] > 0, 1, -1) for m in PAIR]
    differing = (DIMENSIONS - signs[0] @ signs[1].T) / (2 * DIMENSIONS)
    return float(np.quantile(differing, share))


def alone(name: str, scorer: PairScorer, pairs: int) -> None:
    count = items_for(name, pairs)
    x, _ = things(count, 3)
    random = np.random.default_rng(0)
    i = np.sort(random.integers(count, size=pairs, dtype=np.int32))
    j = random.integers(count, size=pairs, dtype=np.int32)
    cost, found = measured(lambda: probabilities(scorer, x, i, j))
    few = random.integers(pairs, size=PEER_PAIRS["alone"])
    peer, expected = measured(lambda: [by_definition(scorer, x, i[k], j[k]) for k in few])
    equal = bool(np.allclose(found[few], expected, rtol=0, atol=1e-5))
    report_pairs(f"alone, {name}", pairs, cost, "pair by pair", peer.times(pairs / len(few)), equal=equal)


def probabilities(scorer: PairScorer, x: dict[str, np.ndarray], i: np.ndarray, j: np.ndarray) -> np.ndarray:
    prepared = {m: scorer.prepare(m, x[m]) for m in PAIR}
    return scorer.probability(PAIR, scorer.evidence(PAIR, prepared["image"], prepared["text"], i, j))


def by_definition(scorer: PairScorer, x: dict[str, np.ndarray], i: int, j: int) -> float:
    one = {"image": x["image"][i : i + 1], "text": x["text"][j : j + 1]}
    return float(probabilities(scorer, one, np.zeros(1, np.int32), np.zeros(1, np.int32))[0])


def distributed(spark: SparkSession, scorer: PairScorer, work: Work, partitions: int) -> None:
    """Blocks alone, and blocks with their scores."""
    blocks = candidates(spark, work, partitions).selectExpr("sum(pairs)")
    cost, pairs = measured(lambda: blocks.collect()[0][0])
    report_pairs(f"blocks, {work.name}", pairs, cost)
    cost, _ = measured(lambda: scored(spark, scorer, work, partitions).count())
    report_pairs(f"score, {work.name}", pairs, cost)


def candidates(spark: SparkSession, work: Work, partitions: int) -> DataFrame:
    from xmer_spark.blocking.stage import candidate_blocks

    blocker = BLOCKING.build("scan", {"max_distance": work.max_distance})
    embeddings = spark.read.parquet(work.path)
    return candidate_blocks(embeddings, {"image-text": blocker}, [("photos", "captions")], partitions)


def scored(spark: SparkSession, scorer: PairScorer, work: Work, partitions: int) -> DataFrame:
    from xmer_spark.scoring.stage import score_blocks

    from xmer_spark.method import saved_files

    blocks = candidates(spark, work, partitions)
    return score_blocks(blocks, saved_files(scorer), SOURCES, REVIEW_THRESHOLD)


def beside_a_join(spark: SparkSession, scorer: PairScorer, work: Work, partitions: int) -> None:
    """Both on the few pairs that the join gets, whose own making is not counted."""
    from xmer_spark.blocking.stage import candidate_pairs

    pairs = candidate_pairs(candidates(spark, work, partitions), "scan").persist()
    count = pairs.count()
    cost, found = measured(lambda: collected(scored(spark, scorer, work, partitions)))
    peer, expected = measured(lambda: collected(joined(spark, scorer, work, pairs)))
    same = np.array_equal(found[0], expected[0]) and np.allclose(found[1], expected[1], rtol=0, atol=1e-5)
    report_pairs(f"score, {work.name}", count, cost, "join", peer, equal=bool(same))
    pairs.unpersist()


def joined(spark: SparkSession, scorer: PairScorer, work: Work, pairs: DataFrame) -> DataFrame:
    """One row per pair with what is known of both items; what concerns one item is worked out once."""
    items = spark.read.parquet(work.path).select("item_key", "modality", "embedding")
    prepared = items.mapInArrow(
        partial(prepare_rows, scorer),
        "item_key bigint, embedding array<float>, hubness float, posterior array<float>",
    )
    sides = [
        prepared.selectExpr(f"item_key AS {side}_key", f"struct(embedding, hubness, posterior) AS {side}")
        for side in ("left", "right")
    ]
    rows = pairs.join(sides[0], "left_key").join(sides[1], "right_key")
    scores = rows.mapInArrow(
        partial(score_rows, scorer), "left_key bigint, right_key bigint, probability float"
    )
    return scores.where(f"probability >= {REVIEW_THRESHOLD}")


def prepare_rows(scorer: PairScorer, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for modality, other in (PAIR, PAIR[::-1]):
            part = batch.filter(pa.compute.equal(batch["modality"], modality))
            if not part.num_rows:
                continue
            known = scorer.prepare(modality, matrix(part["embedding"]))
            yield pa.RecordBatch.from_arrays(
                [
                    part["item_key"], part["embedding"], pa.array(known[f"hubness/{other}"]),
                    lists(known["posterior"]),
                ],
                names=["item_key", "embedding", "hubness", "posterior"],
            )  # fmt: skip


def score_rows(scorer: PairScorer, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        left, right = batch["left"], batch["right"]
        dot = [np.einsum("ij,ij->i", matrix(left.field(k)), matrix(right.field(k))) for k in (0, 2)]
        hubs = [side.field(1).to_numpy() for side in (left, right)]
        evidence = {"cosine": dot[0], "csls": 2 * dot[0] - hubs[0] - hubs[1], "posterior_agreement": dot[1]}
        yield pa.RecordBatch.from_arrays(
            [batch["left_key"], batch["right_key"], pa.array(scorer.probability(PAIR, evidence))],
            names=["left_key", "right_key", "probability"],
        )


def matrix(column: pa.ListArray) -> np.ndarray:
    return column.flatten().to_numpy().reshape(len(column), -1)


def collected(frame: DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Keys (p, 2) in order, and probabilities (p)."""
    table = frame.select("left_key", "right_key", "probability").toArrow()
    table = table.sort_by([("left_key", "ascending"), ("right_key", "ascending")])
    keys = np.column_stack([table["left_key"].to_numpy(), table["right_key"].to_numpy()])
    return keys, table["probability"].to_numpy()


def report_pairs(
    work: str, pairs: int, cost: Cost, peer: str | None = None, other: Cost | None = None, **more: object
) -> None:
    per_million = round(cost.cpu_seconds / pairs * 1e6, 3)
    report(work, pairs, cost, peer, other, core_seconds_per_million=per_million, **more)


if __name__ == "__main__":
    main()
