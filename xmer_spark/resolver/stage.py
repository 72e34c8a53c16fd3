"""The resolver on Spark, broadcast as files that workers load once: encoding, and scoring of candidates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from xmer_spark.comparisons.comparer import Prepared
from xmer_spark.method import loaded_once, saved_files
from xmer_spark.numerics import arrow
from xmer_spark.numerics.evidence import Evidence
from xmer_spark.numerics.records import Records
from xmer_spark.numerics.rows import chunks
from xmer_spark.resolver.encoder import Encoder
from xmer_spark.resolver.model import Resolver
from xmer_spark.schema import EMBEDDINGS

#: Pairs that are compared and emitted at a time.
PAIRS_AT_A_TIME = 200_000
#: A scored pair, with its kind.
SCORED_PAIRS = (
    "left_key bigint, right_key bigint, left_source string, right_source string, "
    "probability float, kind smallint, evidence map<string,float>"
)
_ENCODED = ("item_key", "item_id", "modality", "embedding", "surroundings", "code")


def encode(encoder: Encoder, features: DataFrame, items: DataFrame, model_version: str) -> DataFrame:
    """Features -> rows of the table embeddings; an item that lacks one of its vectors is left out."""
    state = features.sparkSession.sparkContext.broadcast(saved_files(encoder))
    joined = join_vectors(features, encoder.extractors)

    def encode_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        loaded = loaded_once(state.value, Encoder.load)
        for batch in batches:
            yield from _encoded(loaded, batch)

    types = {column.name: column.type for column in EMBEDDINGS.columns}
    encoded = joined.mapInArrow(encode_batches, ", ".join(f"{name} {types[name]}" for name in _ENCODED))
    whose = items.select("item_key", "record_key", "field")
    known = {
        "source": F.substring_index("item_id", "/", 1),
        "model_version": F.lit(model_version),
    }
    return encoded.join(whose, "item_key").withColumns(known).select(*EMBEDDINGS.column_names)


def nothing_encoded(items: DataFrame) -> DataFrame:
    """No rows of the table embeddings, for a resolver that compares fields only."""
    return items.sparkSession.createDataFrame([], EMBEDDINGS.ddl)


def join_vectors(rows: DataFrame, extractors: Mapping[str, list[str]]) -> DataFrame:
    """Features -> (item_key, item_id, modality, vector): an item's vectors side by side, in order."""
    wanted = [identity for identities in extractors.values() for identity in identities]
    by_extractor = F.map_from_entries(F.collect_list(F.struct("extractor", "vector")))
    items = (
        rows.where(F.col("extractor").isin(wanted))
        .groupBy("item_key", "item_id", "modality")
        .agg(by_extractor.alias("vectors"))
    )
    parts = (
        items.where(F.col("modality") == modality).select(
            "item_key",
            "item_id",
            "modality",
            # NULL as soon as one of them is missing.
            F.concat(*(F.element_at("vectors", F.lit(identity)) for identity in identities)).alias("vector"),
        )
        for modality, identities in sorted(extractors.items())
    )
    return reduce(lambda a, b: a.unionByName(b), parts).where("vector IS NOT NULL")


def _encoded(encoder: Encoder, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """One Arrow batch, modality by modality: a batch seldom holds more than one."""
    for modality in pc.unique(batch["modality"]).to_pylist():
        part = batch.filter(pc.equal(batch["modality"], modality))
        placed = encoder.encode(modality, arrow.matrix(part["vector"], np.float32, f"vectors of {modality}"))
        yield pa.RecordBatch.from_arrays(
            [
                part["item_key"], part["item_id"], part["modality"], arrow.lists(placed.embedding),
                arrow.lists(placed.surroundings), arrow.lists(placed.code.view(np.int64)),
            ],
            names=list(_ENCODED),
        )  # fmt: skip


def score_blocks(blocks: DataFrame, resolver: Resolver, least: float) -> DataFrame:
    """Compare and score the pairs of ``schema.RECORD_BLOCK`` rows; those from this probability on.

    One row per pair, left_key < right_key, with columns ``SCORED_PAIRS``.
    """
    bare = Resolver(None, resolver.comparer, resolver.scorer, {}, {})
    files = blocks.sparkSession.sparkContext.broadcast(saved_files(bare))
    return blocks.mapInArrow(Score(files, least), SCORED_PAIRS)


@dataclass(frozen=True)
class Score:
    """What runs in a task."""

    files: Any
    least: float

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        resolver = loaded_once(self.files.value, Resolver.load)
        for batch in batches:
            for row in range(batch.num_rows):
                yield from self._block(resolver, Block.of(batch, row))

    def _block(self, resolver: Resolver, block: Block) -> Iterator[pa.RecordBatch]:
        sides = resolver.comparer.prepare(block.left), resolver.comparer.prepare(block.right)
        for rows in chunks(len(block.i), PAIRS_AT_A_TIME):
            yield self._scored(resolver, sides, block.i[rows], block.j[rows])

    def _scored(
        self, resolver: Resolver, sides: tuple[Prepared, Prepared], i: np.ndarray, j: np.ndarray
    ) -> pa.RecordBatch:
        evidence = resolver.comparer.evidence(*sides, i, j)
        probability = resolver.scorer.probability(evidence)
        kept = np.flatnonzero(probability >= self.least)
        left, right = (side.records for side in sides)
        a, b = left.keys[i[kept]], right.keys[j[kept]]
        swapped = a > b
        sources = [
            np.where(swapped, y, x) for x, y in ((left.source, right.source), (right.source, left.source))
        ]
        return pa.RecordBatch.from_arrays(
            [
                pa.array(np.minimum(a, b)),
                pa.array(np.maximum(a, b)),
                *(pa.array(source.astype(object), pa.string()) for source in sources),
                pa.array(probability[kept]),
                pa.array(evidence.kind[kept].astype(np.int16)),
                evidence_maps(evidence.where(kept), resolver.comparer.names),
            ],
            names=[
                "left_key", "right_key", "left_source", "right_source", "probability", "kind", "evidence",
            ],
        )  # fmt: skip


@dataclass(frozen=True)
class Block:
    """One row of ``schema.RECORD_BLOCK``: records of either side, and pairs of them by index (p) int32."""

    left: Records
    right: Records
    i: np.ndarray
    j: np.ndarray

    @classmethod
    def of(cls, batch: pa.RecordBatch, row: int) -> Block:
        return cls(
            _side(batch, row, "left"),
            _side(batch, row, "right"),
            _array(batch, "left_index", row, "<i4"),
            _array(batch, "right_index", row, "<i4"),
        )


def evidence_maps(evidence: Evidence, names: list[str]) -> pa.MapArray:
    """The evidence as a map per pair, without what is missing."""
    present = ~np.isnan(evidence.values)
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
    columns = np.broadcast_to(np.arange(len(names), dtype=np.int32), present.shape)[present]
    keys = pa.DictionaryArray.from_arrays(pa.array(columns), pa.array(names, pa.string())).cast(pa.string())
    return pa.MapArray.from_arrays(offsets, keys, pa.array(evidence.values[present]))


def _side(batch: pa.RecordBatch, row: int, side: str) -> Records:
    source = batch.column(f"{side}_source")[row].as_py()
    payload = pa.ipc.open_stream(batch.column(f"{side}_payload")[row].as_buffer()).read_all()
    keys = pa.array(_array(batch, f"{side}_keys", row, "<i8"))
    return Records.of(source, payload.append_column("record_key", keys))


def _array(batch: pa.RecordBatch, name: str, row: int, kind: str) -> np.ndarray:
    """A view of one value of a binary column."""
    return np.frombuffer(batch.column(name)[row].as_buffer() or b"", dtype=kind)
