"""Blocks of candidate pairs -> scored pairs, on Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from xmer_spark import schema
from xmer_spark.method import loaded_once
from xmer_spark.scoring import REGISTRY
from xmer_spark.scoring.evidence import ItemEvidence, PairEvidence
from xmer_spark.scoring.memory import ItemMemory
from xmer_spark.scoring.scorer import PairScorer

#: Pairs that are scored and emitted at a time.
PAIRS_AT_A_TIME = 500_000

SCORED_PAIRS = f"left_key bigint, right_key bigint, probability float, evidence {schema.EVIDENCE}"

_EVIDENCE = pa.struct(
    [
        ("cosine", pa.float32()),
        ("csls", pa.float32()),
        ("hamming", pa.int32()),
        ("posterior_agreement", pa.float32()),
        ("attributes", pa.map_(pa.string(), pa.float32())),
    ]
)


def score_blocks(
    blocks: DataFrame,
    scorer_state: Mapping[str, bytes],
    modality_of_source: Mapping[str, str],
    review_threshold: float,
) -> DataFrame:
    """Score the pairs of ``schema.CANDIDATE_BLOCK`` rows and keep those from ``review_threshold`` on.

    ``scorer_state`` comes from ``method.saved_files``. Gives one row per pair: left_key < right_key,
    probability and evidence (``schema.EVIDENCE``).
    """
    files = blocks.sparkSession.sparkContext.broadcast(dict(scorer_state))
    return blocks.mapInArrow(Score(files, dict(modality_of_source), review_threshold), SCORED_PAIRS)


@dataclass(frozen=True)
class Score:
    """What runs in a task."""

    files: Any
    modality_of_source: Mapping[str, str]
    review_threshold: float

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        scorer = loaded_once(self.files.value, _block_scorer)
        for batch in batches:
            for row in range(batch.num_rows):
                yield from scorer.score(Block.of(batch, row, self.modality_of_source), self.review_threshold)


@dataclass(frozen=True)
class Side:
    """The items of one side of a block: keys (n) int64, vectors (n, k) float32; pairs by index (p) int32."""

    modality: str
    keys: np.ndarray
    vectors: np.ndarray
    index: np.ndarray

    @classmethod
    def of(cls, side: str, batch: pa.RecordBatch, row: int, modality_of_source: Mapping[str, str]) -> Side:
        keys = _array(batch, f"{side}_keys", row, "<i8")
        values = _array(batch, f"{side}_vectors", row, "<f4")
        vectors = values.reshape(len(keys), len(values) // max(1, len(keys)))
        source = batch.column(f"{side}_source")[row].as_py()
        return cls(modality_of_source[source], keys, vectors, _array(batch, f"{side}_index", row, "<i4"))


@dataclass(frozen=True)
class Block:
    """One row of ``schema.CANDIDATE_BLOCK``; its arrays are views of the Arrow batch."""

    left: Side
    right: Side
    hamming: np.ndarray

    @classmethod
    def of(cls, batch: pa.RecordBatch, row: int, modality_of_source: Mapping[str, str]) -> Block:
        left, right = (Side.of(side, batch, row, modality_of_source) for side in ("left", "right"))
        return cls(left, right, _array(batch, "hamming", row, "<i4"))


class BlockScorer:
    """Scores blocks, remembering the items that it has seen in earlier ones."""

    def __init__(self, scorer: PairScorer) -> None:
        self.scorer = scorer
        self._memories: dict[tuple[str, str], ItemMemory] = {}

    def score(self, block: Block, review_threshold: float) -> Iterator[pa.RecordBatch]:
        """The pairs of a block from ``review_threshold`` on."""
        if not len(block.hamming):
            return
        left, right = block.left, block.right
        modalities = (left.modality, right.modality)
        known = self._prepared(left, right.modality), self._prepared(right, left.modality)
        for start in range(0, len(block.hamming), PAIRS_AT_A_TIME):
            rows = slice(start, start + PAIRS_AT_A_TIME)
            i, j = left.index[rows], right.index[rows]
            evidence = self.scorer.evidence(modalities, *known, i, j, block.hamming[rows])
            probability = self.scorer.probability(modalities, evidence)
            kept = np.flatnonzero(probability >= review_threshold)
            yield _record_batch(
                left.keys[i[kept]],
                right.keys[j[kept]],
                probability[kept],
                {name: values[kept] for name, values in evidence.items()},
            )

    def _prepared(self, side: Side, other: str) -> ItemEvidence:
        """The item evidence of one side of pairs whose other side is of modality ``other``."""
        pair = (side.modality, other)
        if pair not in self._memories:
            prepare = partial(self.scorer.prepare, side.modality, towards=[other])
            self._memories[pair] = ItemMemory(prepare)
        return self._memories[pair](side.keys, side.vectors)


def _block_scorer(folder: Path) -> BlockScorer:
    return BlockScorer(REGISTRY.load(folder))


def _array(batch: pa.RecordBatch, name: str, row: int, kind: str) -> np.ndarray:
    """A view of one value of a binary column."""
    return np.frombuffer(batch.column(name)[row].as_buffer() or b"", dtype=kind)


def _record_batch(
    left: np.ndarray, right: np.ndarray, probability: np.ndarray, evidence: PairEvidence
) -> pa.RecordBatch:
    fields = [
        pa.array(evidence[field.name], type=field.type)
        if field.name in evidence
        else pa.nulls(len(left), field.type)
        for field in _EVIDENCE
    ]
    arrays = [
        pa.array(np.minimum(left, right)),
        pa.array(np.maximum(left, right)),
        pa.array(probability.astype(np.float32)),
        pa.StructArray.from_arrays(fields, fields=list(_EVIDENCE)),
    ]
    return pa.RecordBatch.from_arrays(arrays, names=["left_key", "right_key", "probability", "evidence"])
