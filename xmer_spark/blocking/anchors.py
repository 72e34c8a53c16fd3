"""Anchor codes: k-means in Hamming space, where the mean of codes is their majority, bit by bit.

Grana, Borghesani, Manfredi and Cucchiara 2013 ("k-majority"). Deviations: a bit without a majority stays
as it was, instead of being drawn; an anchor that loses all its codes takes over the code farthest from its
own anchor.
"""

from __future__ import annotations

import numpy as np

from xmer_spark.numerics.hamming import hamming, hamming_matrix, pack, unpack

#: Distances in memory at once.
_TILE = 1 << 20


def k_majority(codes: np.ndarray, k: int, iterations: int, seed: int) -> np.ndarray:
    """At most ``k`` anchors (k, words) for (n, words) codes; fewer where fewer codes are distinct."""
    distinct = np.unique(codes, axis=0)
    chosen = np.random.default_rng(seed).permutation(len(distinct))[:k]
    anchors = distinct[chosen]
    for _ in range(iterations if len(anchors) else 0):
        cell = nearest(codes, anchors, 1)[:, 0]
        moved = _refilled(codes, cell, _majorities(codes, cell, anchors))
        if np.array_equal(moved, anchors):
            break
        anchors = moved
    return anchors


def nearest(codes: np.ndarray, anchors: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` nearest anchors of each code, nearest first, the lower number before the higher:
    (n, count) int64; all where there are fewer."""
    count = min(count, len(anchors))
    found = np.empty((len(codes), count), np.int64)
    if not count:
        return found
    numbers = np.arange(len(anchors))
    step = max(1, _TILE // len(anchors))
    for start in range(0, len(codes), step):
        rows = slice(start, start + step)
        # Distance and number in one, so that ties fall the same way whatever the sorting.
        ranked = hamming_matrix(codes[rows], anchors).astype(np.int64) * len(anchors) + numbers
        part = ranked.min(axis=1, keepdims=True) if count == 1 else np.partition(ranked, count - 1)[:, :count]
        found[rows] = np.sort(part, axis=1) % len(anchors)
    return found


def _majorities(codes: np.ndarray, cell: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """For each cell the code whose every bit is that of most codes in it; a tie keeps the anchor's bit."""
    order = np.argsort(cell, kind="stable")
    used, start, size = np.unique(cell[order], return_index=True, return_counts=True)
    ones = np.add.reduceat(unpack(codes[order]), start, axis=0, dtype=np.int64)
    lead = 2 * ones - size[:, None]
    moved = anchors.copy()
    moved[used] = pack(np.where(lead == 0, unpack(anchors[used]), lead > 0))
    return moved


def _refilled(codes: np.ndarray, cell: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """The anchors, those of empty cells replaced by the codes farthest from their own."""
    empty = np.setdiff1d(np.arange(len(anchors)), cell)
    if len(empty):
        away = hamming(codes, anchors[cell])
        farthest = np.argsort(-away, kind="stable")[: len(empty)]
        anchors[empty[: len(farthest)]] = codes[farthest]
    return anchors
