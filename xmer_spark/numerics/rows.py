"""Rows in blocks: of bounded memory, or of one fixed shape, so that a row's result hangs on that row alone.

Libraries of linear algebra and of networks choose how they add up by the shape of what they are given, and in
single precision by a row's place in it as well. In double precision a row of a block of fixed shape comes out
the same wherever it stands; should a library differ, it differs in bits that rounding takes away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

#: Rows of a block of fixed shape.
BLOCK = 256
#: Rows that are converted to float64 at a time.
CHUNK = 65_536
#: Numbers in the largest matrix that is held at a time: about as many as a core's cache holds.
_CACHED = 500_000


def fixed_blocks(count: int, size: int = BLOCK) -> Iterator[np.ndarray]:
    """Row numbers of ``range(count)``, always ``size`` of them: the last block repeats its last row.

    >>> [block.tolist() for block in fixed_blocks(5, 3)]
    [[0, 1, 2], [3, 4, 4]]
    """
    return (np.minimum(np.arange(start, start + size), count - 1) for start in range(0, count, size))


def in_blocks(
    place: Callable[[np.ndarray], np.ndarray], x: np.ndarray, kind: type[np.floating[Any]] = np.float32
) -> np.ndarray:
    """``place`` of the rows of ``x`` (n, d), rounded to ``kind``.

    ``place`` sees ``BLOCK`` rows at a time, in double precision, and gives one result per row, whose width is
    found out from a block of zeros where there is no row.

    >>> in_blocks(lambda block: block.sum(axis=1), np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [3.0, 7.0]
    """
    x = np.asarray(x)
    if not len(x):
        return place(np.zeros((BLOCK, *x.shape[1:]))).astype(kind)[:0]
    parts = [place(x[rows].astype(np.float64, order="C")).astype(kind) for rows in fixed_blocks(len(x))]
    return np.concatenate(parts)[: len(x)]


def inner_products(
    left: np.ndarray, right: np.ndarray, left_index: np.ndarray, right_index: np.ndarray
) -> np.ndarray:
    """``left[left_index[i]] . right[right_index[i]]`` of (n, k) rows: (p,) float32.

    Row by row rather than as a matrix product, which adds up in an order that depends on the other
    rows: here the last bit depends on the two rows alone.
    """
    result = np.empty(len(left_index), dtype=np.float32)
    for rows in cached_chunks(len(left_index), 4 * left.shape[1]):
        x, y = left.take(left_index[rows], axis=0), right.take(right_index[rows], axis=0)
        np.vecdot(x, y, out=result[rows])
    return result


def cached_chunks(count: int, width: int) -> Iterator[slice]:
    """Slices of ``range(count)`` such that a chunk of rows of ``width`` numbers is never large."""
    return chunks(count, max(1, _CACHED // max(width, 1)))


def chunks(count: int, size: int = CHUNK) -> Iterator[slice]:
    """Slices that cover ``range(count)``, each of at most ``size``.

    >>> list(chunks(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    return (slice(start, start + size) for start in range(0, count, size))
