"""The join of two lists of bucket ids, in memory and in tiles of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import NamedTuple

import numpy as np

#: Pairs of two buckets from which on they are joined as a rectangle: a few numpy calls for it alone.
LARGE = 1 << 14


class Runs(NamedTuple):
    """Items sorted by bucket: their order, the distinct buckets, where each starts, how many it holds."""

    order: np.ndarray
    bucket: np.ndarray
    start: np.ndarray
    size: np.ndarray


def runs(buckets: np.ndarray) -> Runs:
    order = stable_order(buckets)
    inside = buckets[order]
    start = np.flatnonzero(np.concatenate([[True], inside[1:] != inside[:-1]]))[: len(buckets)]
    return Runs(order, inside[start], start, np.diff(start, append=len(buckets)))


def stable_order(values: np.ndarray) -> np.ndarray:
    """What sorts uint64 values stably: 16 bits at a time, for which numpy has a radix sort."""
    most = int(values.max(initial=0))
    order = np.argsort(values.astype(np.uint16), kind="stable")
    for shift in range(16, most.bit_length(), 16):
        part = (values >> np.uint64(shift)).astype(np.uint16)[order]
        order = order[np.argsort(part, kind="stable")]
    return order


def bucket_join(
    left: np.ndarray, right: np.ndarray, masks: np.ndarray, tile: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of positions whose bucket ids differ by one of ``masks``, at most ``tile`` at once.

    Ids differ by a mask if it is their exclusive or. ``left`` and ``right`` are (n) uint64 bucket ids,
    ``masks`` distinct uint64 values; mask 0 is equality.

    >>> ids = np.array([5, 7], np.uint64)
    >>> [(i.tolist(), j.tolist()) for i, j in bucket_join(ids, ids, np.array([0], np.uint64), 10)]
    [([0, 1], [0, 1])]
    """
    a, b = runs(left), runs(right)
    for i, j in run_join(a, b, masks, tile):
        rows, columns = np.broadcast_arrays(i, j)
        yield a.order[rows.ravel()], b.order[columns.ravel()]


def run_join(a: Runs, b: Runs, masks: np.ndarray, tile: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same pairs as places in the sorted orders, where neighbours in a tile are neighbours in memory.

    The two arrays of a tile are aligned, or a column and a row that broadcast to all pairs of a rectangle.
    """
    if not len(a.bucket) or not len(b.bucket):
        return
    few, many = (a, b) if len(a.bucket) < len(b.bucket) else (b, a)
    step = max(1, tile // len(few.bucket))  # bounds the look-ups in memory as the tiles bound the pairs
    for first in range(0, len(masks), step):
        wanted = (few.bucket ^ masks[first : first + step, None]).ravel()
        place = np.minimum(np.searchsorted(many.bucket, wanted), len(many.bucket) - 1)
        found = np.flatnonzero(many.bucket[place] == wanted)
        runs_found = found % len(few.bucket), place[found]
        a_run, b_run = runs_found if few is a else runs_found[::-1]
        large = a.size[a_run] * b.size[b_run] >= LARGE
        yield from _small_rectangles(a, b, a_run[~large], b_run[~large], tile)
        for p, q in zip(a_run[large], b_run[large], strict=True):
            yield from _large_rectangle(a.start[p], a.size[p], b.start[q], b.size[q], tile)


def _large_rectangle(
    top: int, height: int, left: int, width: int, tile: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rows, columns = np.arange(top, top + height), np.arange(left, left + width)
    edge = isqrt(tile)
    for r in range(0, height, edge):
        for c in range(0, width, edge):
            yield rows[r : r + edge, None], columns[None, c : c + edge]


def _small_rectangles(
    a: Runs, b: Runs, a_run: np.ndarray, b_run: np.ndarray, tile: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pairs of run ``a_run[k]`` with run ``b_run[k]``, rectangle after rectangle, row by row."""
    # Tiles are cut wherever they are full, and all that is done for a single pair is to repeat and to count.
    width = b.size[b_run]
    ends = np.cumsum(a.size[a_run] * width)
    starts = ends - a.size[a_run] * width
    total = int(ends[-1]) if len(ends) else 0
    for low in range(0, total, tile):
        high = min(low + tile, total)
        first, last = np.searchsorted(ends, (low, high - 1), side="right")
        these = slice(first, last + 1)
        # The rows that the tile cuts; its first and its last may lie in it partly.
        begin, wide = starts[these], width[these]
        first_row = (np.maximum(begin, low) - begin) // wide
        rows = (np.minimum(ends[these], high) - 1 - begin) // wide - first_row + 1
        row = _ranges(first_row, rows)
        row_begin = np.repeat(begin, rows) + row * np.repeat(wide, rows)
        inside = np.maximum(row_begin, low)
        count = np.minimum(row_begin + np.repeat(wide, rows), high) - inside
        left = np.repeat(a.start[a_run[these]], rows) + row
        right = np.repeat(b.start[b_run[these]], rows) + inside - row_begin
        yield np.repeat(left, count), _ranges(right, count)


def _ranges(start: np.ndarray, count: np.ndarray) -> np.ndarray:
    """start[0], start[0] + 1, ... count[0] of them, and so on for each.

    >>> _ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(count) - count
    return np.repeat(start - before, count) + np.arange(int(count.sum()))
