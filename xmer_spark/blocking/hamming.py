"""Hamming distance between packed binary codes."""

from __future__ import annotations

import numpy as np

WORD = 64


def columns(codes: np.ndarray) -> list[np.ndarray]:
    """The words of (n, words) codes, each contiguous: counting bits by row is 20 times slower."""
    return list(np.ascontiguousarray(codes.T))


def distances(left: list[np.ndarray], right: list[np.ndarray]) -> np.ndarray:
    """Differing bits of codes given as columns that broadcast against each other, int32.

    >>> codes = np.array([[0b1011], [0b0001]], np.uint64)
    >>> distances(columns(codes), columns(codes[::-1])).tolist()
    [2, 2]
    """
    return small_distances(left, right).astype(np.int32)


def small_distances(left: list[np.ndarray], right: list[np.ndarray]) -> np.ndarray:
    """The same in the fewest bytes that hold them, unsigned: what is compared with a limit and dropped."""
    total: np.ndarray = np.bitwise_count(left[0] ^ right[0])
    if len(left) > 3:  # 256 bits may differ
        total = total.astype(np.uint16)
    for a, b in zip(left[1:], right[1:], strict=True):
        total += np.bitwise_count(a ^ b)
    return total


def limit(max_distance: float | None, words: int) -> int | None:
    """The largest number of differing bits that a share of all bits allows."""
    return None if max_distance is None else int(max_distance * words * WORD + 1e-6)  # 7 / 192 * 192 < 7


def near_pairs(
    i: np.ndarray, j: np.ndarray, hamming: np.ndarray, most: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of at most ``most`` differing bits, aligned: i, j, hamming.

    ``i`` and ``j`` are aligned already, or a column and a row: then ``hamming`` is the whole rectangle.
    """
    flat = hamming.ravel()
    kept = np.arange(len(flat)) if most is None else np.flatnonzero(flat <= most)
    if i.ndim == 1:
        return i[kept], j[kept], flat[kept].astype(np.int32)
    row, column = np.divmod(kept, hamming.shape[1])
    return i[row, 0], j[0, column], flat[kept].astype(np.int32)
