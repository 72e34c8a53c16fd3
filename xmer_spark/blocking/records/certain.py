"""Pairs that the evidence itself holds for certain: what recall is judged by where no pair is labelled.

They are the easy ones, and found by values and tokens, so blockers of these kinds keep them more often than
other true pairs: a recall judged by them is an upper bound rather than an estimate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.blocking.base import Pairs
from xmer_spark.blocking.records.base import Records, text_columns
from xmer_spark.blocking.records.text import codes, hashed, normalised
from xmer_spark.blocking.records.tokens import Tokens

if TYPE_CHECKING:
    import pyarrow as pa

#: Characters of a value that is no coincidence where just two records have it; of a code, letters and digits.
_LONG, _CODE = 12, 5
#: The cosine of a pair, at least, and by how much it has to exceed that of either record's next best pair.
_NEAR, _MARGIN = 0.5, 1.5


def certain_pairs(left: Records, right: Records | None = None) -> Pairs:
    """Pairs (i, j) of two sources, or of one with itself, that are very likely the same; each once, sorted.

    Those that alone share a long value of a field, or a code of letters and digits; and those whose tokens
    have the highest cosine for both records, by a margin.
    """
    within = right is None
    other = left if right is None else right
    found = [_alone(_values(left, c), _values(other, c), within) for c in _shared(left, other)]
    found.append(_alone(_coded(left), _coded(other), within))
    found.append(_mutual(left, other))
    i, j = (np.concatenate(sides) for sides in zip(*found, strict=True))
    if within:
        i, j = np.minimum(i, j), np.maximum(i, j)
    both = np.unique(i.astype(np.int64) * len(other.keys) + j)
    i, j = np.divmod(both, max(1, len(other.keys)))
    return i.astype(np.int32), j.astype(np.int32)


def _shared(left: Records, right: Records) -> list[str]:
    return sorted(set(text_columns(left.table)) & set(text_columns(right.table)))


def _values(records: Records, column: str) -> tuple[np.ndarray, np.ndarray]:
    """The records with a long value in this column, and its number."""
    import pyarrow.compute as pc

    values: pa.Array = normalised(records.table[column])
    long = pc.fill_null(pc.greater_equal(pc.utf8_length(values), _LONG), False)
    rows = np.flatnonzero(long.to_numpy(zero_copy_only=False))
    return rows, hashed(values.filter(long))


def _coded(records: Records) -> tuple[np.ndarray, np.ndarray]:
    """The records with a code of letters and digits, and its number, once for each."""
    columns = [normalised(records.table[column]) for column in text_columns(records.table)]
    return codes(columns, _CODE)


def _alone(left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray], within: bool) -> Pairs:
    """Pairs of records that share a number which no other record of their sides has."""
    (i, a), (j, b) = left, right
    if within:
        order = np.argsort(a, kind="stable")
        _, start, count = np.unique(a[order], return_index=True, return_counts=True)
        two = start[count == 2]
        return i[order[two]], i[order[two + 1]]
    a, of_a, count_a = np.unique(a, return_index=True, return_counts=True)
    b, of_b, count_b = np.unique(b, return_index=True, return_counts=True)
    _, p, q = np.intersect1d(a, b, assume_unique=True, return_indices=True)
    once = (count_a[p] == 1) & (count_b[q] == 1)
    return i[of_a[p[once]]], j[of_b[q[once]]]


def _mutual(left: Records, right: Records) -> Pairs:
    """Pairs that share the most for both of their records, by a margin before the next."""
    blocker = Tokens(top=2).fit(left, right)
    a, b = blocker.prepare("left", left), blocker.prepare("right", right)
    of_left, of_right = (best.scores for best in blocker.best(a, b))
    found = []
    for i, j, score in blocker.scored(a, b):
        best = (score == of_left[i, 0]) & (score == of_right[j, 0])
        clear = score >= _MARGIN * np.maximum(of_left[i, 1], of_right[j, 1])
        clear &= blocker.cosines(score) >= _NEAR
        found.append((i[best & clear], j[best & clear]))
    empty = np.empty(0, np.int64)
    i, j = (np.concatenate(sides) for sides in zip((empty, empty), *found, strict=True))
    return i, j
