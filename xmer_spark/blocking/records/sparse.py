"""Products of sparse matrices in parts of bounded size: which rows have something in common, and how much."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: Products of two numbers that are added up at once.
PRODUCTS = 1 << 22


def common(
    left: csr_array, right: csr_array, products: int = PRODUCTS
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows i and j with something in common, and the inner product of each two: (p), (p), (p).

    ``left`` (n, k) and ``right`` (m, k) are compared some left rows at a time, in their order: as many as
    need ``products`` products, at least one.

    >>> from scipy.sparse import csr_array
    >>> rows = csr_array(np.array([[2, 0, 1], [0, 3, 0]]))
    >>> [[part.tolist() for part in found] for found in common(rows, rows)]
    [[[0, 1], [0, 1], [5, 9]]]
    """
    columns = right.T.tocsr()
    spent = np.concatenate([[0], np.cumsum(np.diff(columns.indptr)[left.indices], dtype=np.int64)])[
        left.indptr
    ]
    start = 0
    while start < left.shape[0]:
        stop = int(np.searchsorted(spent, spent[start] + products, side="right")) - 1
        stop = max(start + 1, stop)
        found = left[start:stop] @ columns
        yield np.repeat(np.arange(start, stop), np.diff(found.indptr)), found.indices, found.data
        start = stop


def inner(left: csr_array, right: csr_array, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """The inner products of left rows i (p) and right rows j (p): (p)."""
    return np.asarray(left[i].multiply(right[j]).sum(axis=1))
