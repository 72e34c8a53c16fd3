"""What a partition makes of the items that were sent to it: their candidate pairs.

A pair that several buckets propose is made in one partition only, so nothing has to be shuffled again to
remove duplicates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from xmer_spark.blocking.base import Tile
from xmer_spark.blocking.shipping import (
    ROW_BYTES,
    Items,
    Plan,
    Row,
    arrow_schema,
    received,
    record_batches,
)
from xmer_spark.schema import CANDIDATE_BLOCK

#: Pairs in one row of the result.
ROW_PAIRS = 200_000

#: A candidate pair by itself.
PAIR = "left_key bigint, right_key bigint, hamming int"


@dataclass(frozen=True)
class Blocks:
    """A shipment -> its candidate pairs, in rows of ``schema.CANDIDATE_BLOCK``."""

    plan: Plan
    partitions: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return record_batches(self._rows(batches), arrow_schema(CANDIDATE_BLOCK))

    def _rows(self, batches: Iterable[pa.RecordBatch]) -> Iterator[Row]:
        for (left, right), a, b, tiles in _meetings(batches, self.plan, self.partitions):
            item_bytes = a.codes[:1].nbytes + a.vectors[:1].nbytes
            for tile in regroup(tiles, ROW_PAIRS, max(1, ROW_BYTES // max(1, item_bytes))):
                yield {"left_source": left, "right_source": right, **_block(a, b, tile)}


@dataclass(frozen=True)
class Pairs:
    """A shipment -> its candidate pairs, one per row of ``PAIR``."""

    plan: Plan
    partitions: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _, a, b, tiles in _meetings(batches, self.plan, self.partitions):
            for tile in regroup(tiles, ROW_PAIRS, 2 * ROW_PAIRS):
                yield _pair_rows(a.keys[tile.left], b.keys[tile.right], tile.hamming)


def pairs_of_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of ``schema.CANDIDATE_BLOCK`` -> their pairs, one per row of ``PAIR``, the lesser key first."""
    for batch in batches:
        for row in batch.to_pylist():
            left, right = (
                np.frombuffer(row[f"{side}_keys"], np.int64)[np.frombuffer(row[f"{side}_index"], np.int32)]
                for side in ("left", "right")
            )
            hamming = np.frombuffer(row["hamming"], np.int32)
            yield _pair_rows(np.minimum(left, right), np.maximum(left, right), hamming)


def regroup(tiles: Iterable[Tile], pairs: int, items: int) -> Iterator[Tile]:
    """The same pairs in the same order, in tiles of at most ``pairs`` pairs and ``items`` distinct items.

    A tile is full or the last one, unless its items are too many; one pair is always allowed.
    """
    waiting: list[Tile] = []
    size = 0
    for tile in tiles:
        waiting.append(tile)
        size += len(tile.left)
        if size >= pairs:
            joined = _concatenate(waiting)
            whole = size - size % pairs
            yield from _cut(joined, 0, whole, pairs, items)
            waiting, size = [Tile(*(array[whole:] for array in joined))], size - whole
    if size:
        yield from _cut(_concatenate(waiting), 0, size, pairs, items)


def _meetings(
    batches: Iterable[pa.RecordBatch], plan: Plan, partitions: int
) -> Iterator[tuple[tuple[str, str], Items, Items, Iterator[Tile]]]:
    """For every partition and pair of sources in what was received: both sides' items, and their pairs."""
    for partition, items in received(batches).items():
        for (left, right), blocker in plan.items():
            if left not in items or right not in items:
                continue
            a, b = items[left], items[right]
            tiles = blocker.local_pairs(a.coded, b.coded, partition, partitions)
            yield (left, right), a, b, map(_ordered, tiles) if left == right else tiles


def _ordered(tile: Tile) -> Tile:
    """Each pair of a self join once: items are sorted by key, so the lesser key is the lesser position."""
    keep = tile.left < tile.right
    return Tile(*(array[keep] for array in tile))


def _concatenate(tiles: list[Tile]) -> Tile:
    return Tile(*(np.concatenate(arrays) for arrays in zip(*tiles, strict=True)))


def _cut(tile: Tile, low: int, high: int, pairs: int, items: int) -> Iterator[Tile]:
    for start in range(low, high, pairs):
        stop = min(start + pairs, high)
        part = Tile(*(array[start:stop] for array in tile))
        if stop - start > 1 and _distinct(part) > items:
            yield from _cut(part, 0, stop - start, -(-(stop - start) // 2), items)
        else:
            yield part


def _distinct(tile: Tile) -> int:
    return len(np.unique(tile.left)) + len(np.unique(tile.right))


def _block(a: Items, b: Items, tile: Tile) -> Row:
    """One row of candidates: the items that occur, once each, and the pairs as positions among them."""
    row: Row = {"hamming": tile.hamming.tobytes(), "pairs": len(tile.left)}
    for side, items, index in (("left", a, tile.left), ("right", b, tile.right)):
        positions, inverse = np.unique(index, return_inverse=True)
        used = items.take(positions)
        row |= {
            f"{side}_keys": used.keys.tobytes(),
            f"{side}_codes": used.codes.tobytes(),
            f"{side}_vectors": used.vectors.tobytes(),
            f"{side}_index": inverse.astype(np.int32).tobytes(),
        }
    return row


def _pair_rows(left: np.ndarray, right: np.ndarray, hamming: np.ndarray) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(x) for x in (left, right, hamming)], arrow_schema(PAIR))
