"""Blocks of candidate pairs -> scored pairs, on Spark."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from xmer_spark import schema
from xmer_spark.scoring import REGISTRY
from xmer_spark.scoring.evidence import PairEvidence
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

#: The scorers that this worker has read, by the digest of their files.
_LOADED: dict[str, PairScorer] = {}


def saved_files(scorer: PairScorer) -> dict[str, bytes]:
    """The files that ``scorer.save`` writes, as bytes that can be broadcast."""
    with tempfile.TemporaryDirectory() as folder:
        scorer.save(folder)
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def score_blocks(
    blocks: DataFrame,
    scorer_state: Mapping[str, bytes],
    modality_of_source: Mapping[str, str],
    review_threshold: float,
) -> DataFrame:
    """Score the pairs of ``schema.CANDIDATE_BLOCK`` rows and keep those from ``review_threshold`` on.

    ``scorer_state`` comes from ``saved_files``. Gives one row a pair: left_key < right_key,
    probability and evidence (``schema.EVIDENCE``).
    """
    digest = hashlib.sha256(b"".join(name.encode() + data for name, data in scorer_state.items())).hexdigest()
    files = blocks.sparkSession.sparkContext.broadcast(dict(scorer_state))
    modalities = dict(modality_of_source)

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        if digest not in _LOADED:
            _LOADED[digest] = _load(files.value)
        for batch in batches:
            for row in range(batch.num_rows):  # a block is large: one at a time
                block = batch.slice(row, 1).to_pylist()[0]
                yield from score_block(_LOADED[digest], block, modalities, review_threshold)

    return blocks.mapInArrow(score, SCORED_PAIRS)


def score_block(
    scorer: PairScorer,
    block: Mapping[str, Any],
    modality_of_source: Mapping[str, str],
    review_threshold: float,
) -> Iterator[pa.RecordBatch]:
    """The scored pairs of one block, given as a row of ``schema.CANDIDATE_BLOCK``."""
    if not block["left_index"]:
        return
    modalities = (modality_of_source[block["left_source"]], modality_of_source[block["right_source"]])
    left_keys = np.frombuffer(block["left_keys"], dtype="<i8")
    right_keys = np.frombuffer(block["right_keys"], dtype="<i8")
    left = scorer.prepare(modalities[0], _vectors(block["left_vectors"], len(left_keys)))
    right = scorer.prepare(modalities[1], _vectors(block["right_vectors"], len(right_keys)))
    left_index = np.frombuffer(block["left_index"], dtype="<i4")
    right_index = np.frombuffer(block["right_index"], dtype="<i4")
    hamming = np.frombuffer(block["hamming"], dtype="<i4")
    for start in range(0, len(left_index), PAIRS_AT_A_TIME):
        rows = slice(start, start + PAIRS_AT_A_TIME)
        i, j = left_index[rows], right_index[rows]
        evidence = scorer.evidence(modalities, left, right, i, j, hamming[rows])
        probability = scorer.probability(modalities, evidence)
        kept = probability >= review_threshold
        yield _record_batch(
            left_keys[i[kept]],
            right_keys[j[kept]],
            probability[kept],
            {name: values[kept] for name, values in evidence.items()},
        )


def _load(files: Mapping[str, bytes]) -> PairScorer:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        scorer: PairScorer = REGISTRY.load(folder)
        return scorer


def _vectors(data: bytes, count: int) -> np.ndarray:
    return np.frombuffer(data, dtype="<f4").reshape(count, -1)


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
