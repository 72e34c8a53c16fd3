"""Are these vectors of finite numbers?"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def check_vectors(vectors: pa.ListArray) -> tuple[pa.StringArray, pa.StringArray]:
    """Of every row the hash of its float32 values, null unless they are usable; and what is wrong with them.

    Both are null where there is no vector.
    """
    lengths = pc.fill_null(pc.list_value_length(vectors), 0).to_numpy()
    values = vectors.flatten().to_numpy(zero_copy_only=False).astype("<f4")  # a null among them becomes NaN
    ends = np.cumsum(lengths)
    unusable = np.concatenate([[0], np.cumsum(~np.isfinite(values))])
    bad = unusable[ends] - unusable[ends - lengths]
    present = pc.is_valid(vectors).to_numpy(zero_copy_only=False)
    hashes = [
        hashlib.sha256(values[end - length : end]).hexdigest() if fine else None
        for end, length, fine in zip(ends, lengths, present & (lengths > 0) & (bad == 0), strict=True)
    ]
    some, all_ = (pa.array(numbers).cast(pa.string()) for numbers in (bad, lengths))
    spoilt = pc.binary_join_element_wise(some, " of ", all_, " values are NaN or infinite", "")
    problems = pc.if_else(pa.array(lengths == 0), "there are no values", spoilt)
    wrong = pa.array(present & ((lengths == 0) | (bad > 0)))
    return pa.array(hashes, pa.string()), pc.if_else(wrong, problems, None)
