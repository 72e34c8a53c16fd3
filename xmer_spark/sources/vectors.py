"""Are these vectors of finite numbers?"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.sources.records import Refusal


def check_vectors(vectors: pa.ListArray) -> list[dict[str, Any]]:
    """For every row the hash of its float32 values, or why it is refused."""
    lengths = pc.fill_null(pc.list_value_length(vectors), 0).to_numpy()
    values = vectors.flatten().to_numpy(zero_copy_only=False).astype("<f4")  # a null among them becomes NaN
    ends = np.cumsum(lengths)
    unusable = np.concatenate([[0], np.cumsum(~np.isfinite(values))])
    bad = unusable[ends] - unusable[ends - lengths]
    return [
        _finding(values[end - length : end], int(count))
        for end, length, count in zip(ends, lengths, bad, strict=True)
    ]


def _finding(vector: np.ndarray, bad: int) -> dict[str, Any]:
    if not len(vector):
        return Refusal("bad_vector", "there are no values", 0).columns
    if bad:
        return Refusal(
            "bad_vector", f"{bad} of {len(vector)} values are NaN or infinite", vector.nbytes
        ).columns
    return {"content_hash": hashlib.sha256(vector.tobytes()).hexdigest()}
