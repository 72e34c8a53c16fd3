"""The join of two lists of bucket ids, in memory and in tiles of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import NamedTuple

import numpy as np

from xmer_spark.blocking.rectangles import near_pairs
from xmer_spark.numerics.hamming import small_distances

#: Pairs of two buckets from which on they are joined as a rectangle: a few numpy calls for it alone. At most
#: 2^16.
LARGE = 1 << 14
#: Left items that are joined at once, so that their codes and those they meet stay in the cache; and how
#: few are not worth a numpy call for each of the right items they meet.
_ROWS, _FEW = 1 << 14, 256


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
    nothing = [np.zeros(len(ids), np.uint64) for ids in (left, right)]
    for i, j in near_join(a, b, masks, nothing[:1], nothing[1:], None, tile):
        yield a.order[i], b.order[j]


def near_join(
    a: Runs,
    b: Runs,
    masks: np.ndarray,
    left: list[np.ndarray],
    right: list[np.ndarray],
    most: int | None,
    tile: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Those pairs of at most ``most`` differing bits as places in the sorted orders.

    ``left`` and ``right`` are the columns of the codes in the order of the runs, where the items of a
    bucket are neighbours in memory.
    """
    for a_run, b_run in _met(a, b, masks, tile):
        large = a.size[a_run] * b.size[b_run] >= LARGE
        for strips in _strips(a, b, a_run[~large], b_run[~large], tile):
            yield from _near(strips, left, right, most, tile)
        for p, q in zip(a_run[large], b_run[large], strict=True):
            for rows, columns in _rectangles(a.start[p], a.size[p], b.start[q], b.size[q], tile):
                i, j = np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop)
                hamming = small_distances([c[rows, None] for c in left], [c[columns] for c in right])
                yield near_pairs(i[:, None], j[None, :], hamming, most)


def _met(a: Runs, b: Runs, masks: np.ndarray, tile: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The numbers of the runs, aligned, whose buckets differ by a mask."""
    if not len(a.bucket) or not len(b.bucket):
        return
    few, many = (a, b) if len(a.bucket) < len(b.bucket) else (b, a)
    step = max(1, tile // len(few.bucket))  # bounds the look-ups in memory as the tiles bound the pairs
    for first in range(0, len(masks), step):
        wanted = (few.bucket ^ masks[first : first + step, None]).ravel()
        place = np.minimum(np.searchsorted(many.bucket, wanted), len(many.bucket) - 1)
        found = np.flatnonzero(many.bucket[place] == wanted)
        met = found % len(few.bucket), place[found]
        yield met if few is a else met[::-1]


def _rectangles(top: int, height: int, first: int, width: int, tile: int) -> Iterator[tuple[slice, slice]]:
    edge = isqrt(tile)
    for r in range(top, top + height, edge):
        for c in range(first, first + width, edge):
            yield slice(r, min(r + edge, top + height)), slice(c, min(c + edge, first + width))


class Strips(NamedTuple):
    """Left place ``left[k]`` meets the ``width[k]`` right places from ``start[k]`` on."""

    left: np.ndarray
    start: np.ndarray
    width: np.ndarray


def _strips(a: Runs, b: Runs, a_run: np.ndarray, b_run: np.ndarray, tile: int) -> Iterator[Strips]:
    """The pairs of run ``a_run[k]`` with run ``b_run[k]``: some rows at once, bounded as a tile is."""
    height = a.size[a_run]
    ends = np.cumsum(height)
    rows = min(tile, _ROWS)
    for low in range(0, int(ends[-1]) if len(ends) else 0, rows):
        these, skipped, taken = _between(height, ends, low, low + rows)
        left = ranges(a.start[a_run[these]] + skipped, taken)
        yield Strips(left, np.repeat(b.start[b_run[these]], taken), np.repeat(b.size[b_run[these]], taken))


def _near(
    strips: Strips, left: list[np.ndarray], right: list[np.ndarray], most: int | None, tile: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The near pairs of these strips.

    Every left item with the first of its right ones, then with the second, and so on: the codes of the
    left items stay where they are. When few strips go on, or all pairs are wanted, strip by strip.
    """
    done = 0
    if most is not None:
        longest_first = np.argsort((LARGE - strips.width).astype(np.uint16), kind="stable")
        strips = Strips(*(array[longest_first] for array in strips))
        longer = len(strips.width) - np.cumsum(np.bincount(strips.width))  # by length, how many exceed it
        codes = [c[strips.left] for c in left]
        waiting: list[tuple[np.ndarray, np.ndarray]] = []
        size = 0
        while longer[done] >= _FEW:
            start = strips.start[: longer[done]]
            hamming = small_distances(
                [c[: len(start)] for c in codes], [np.take(c[done:], start) for c in right]
            )
            kept = np.flatnonzero(hamming <= most)
            if size + len(kept) > tile:
                yield _concatenated(waiting)
                waiting, size = [], 0
            if len(kept):
                waiting.append((strips.left[kept], start[kept] + done))
                size += len(kept)
            done += 1
        if waiting:
            yield _concatenated(waiting)
        strips = Strips(*(array[: longer[done]] for array in strips))
    yield from _strip_by_strip(Strips(strips.left, strips.start + done, strips.width - done), left, right,
                               most, tile)  # fmt: skip


def _strip_by_strip(
    strips: Strips, left: list[np.ndarray], right: list[np.ndarray], most: int | None, tile: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    ends = np.cumsum(strips.width)
    total = int(ends[-1]) if len(ends) else 0
    for low in range(0, total, tile):
        these, skipped, taken = _between(strips.width, ends, low, low + tile)
        i = np.repeat(strips.left[these], taken)
        j = ranges(strips.start[these] + skipped, taken)
        hamming = small_distances([c[i] for c in left], [c[j] for c in right])
        yield near_pairs(i, j, hamming, most)


def _between(size: np.ndarray, ends: np.ndarray, low: int, high: int) -> tuple[slice, np.ndarray, np.ndarray]:
    """Of groups that lie one after the other, those that the places from ``low`` to ``high`` touch.

    Further, how many places of each come before, and how many are between.

    >>> _between(np.array([2, 5, 1]), np.array([2, 7, 8]), 1, 4)
    (slice(0, 2, None), array([1, 0]), array([1, 2]))
    """
    high = min(high, int(ends[-1]))
    first, last = np.searchsorted(ends, (low, high - 1), side="right")
    these = slice(int(first), int(last) + 1)
    begin = ends[these] - size[these]
    skipped = np.maximum(begin, low) - begin
    return these, skipped, np.minimum(ends[these], high) - begin - skipped


def _concatenated(
    parts: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    i, j = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return i, j


def ranges(start: np.ndarray, count: np.ndarray) -> np.ndarray:
    """start[0], start[0] + 1, ... count[0] of them, and so on for each.

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(count) - count
    place = np.repeat(start - before, count)
    place += np.arange(len(place))
    return place
