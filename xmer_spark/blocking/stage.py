"""Blocking on Spark: embeddings -> blocks of candidate pairs.

What travels between tasks is blocks, not rows: a task hashes an Arrow batch at once and sends each
partition that one of its items can meet a pair in a single row with all these items' keys, codes and
vectors. There the blocker joins them in memory. A pair that several buckets propose is made in one
partition only, so nothing has to be shuffled again to remove duplicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from xmer_spark.blocking.base import Blocker, Coded, Tile
from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.schema import CANDIDATE_BLOCK

#: Pairs in one row of the result.
ROW_PAIRS = 200_000
#: Bytes of codes and vectors in one row, and of rows in one Arrow batch.
ROW_BYTES = 32 << 20

_SHIPMENT = "destination int, source string, words int, keys binary, codes binary, vectors binary"
_SHIPMENT_ARROW = pa.schema(
    [
        ("destination", pa.int32()),
        ("source", pa.string()),
        ("words", pa.int32()),
        ("keys", pa.binary()),
        ("codes", pa.binary()),
        ("vectors", pa.binary()),
    ]
)
_CANDIDATES_ARROW = pa.schema(
    [
        (name, {"string": pa.string(), "binary": pa.binary(), "bigint": pa.int64()}[kind])
        for name, kind in (column.split() for column in CANDIDATE_BLOCK.split(", "))
    ]
)

#: The blocker of each pair of sources.
Plan = dict[tuple[str, str], Blocker]
Row = dict[str, Any]


class Items(NamedTuple):
    """Items of one source: keys (n) int64, codes (n, words) uint64, vectors (n, dimensions) float32."""

    keys: np.ndarray
    codes: np.ndarray
    vectors: np.ndarray

    def take(self, positions: np.ndarray) -> Items:
        return Items(*(array[positions] for array in self))

    @property
    def coded(self) -> Coded:
        return Coded(self.keys, self.codes)


def candidate_blocks(
    embeddings: DataFrame,
    blocker_for: Mapping[str, Blocker] | Callable[[str], Blocker],
    source_pairs: Sequence[tuple[str, str]],
    partitions: int,
) -> DataFrame:
    """The candidate pairs between pairs of sources, as rows of ``schema.CANDIDATE_BLOCK``.

    ``embeddings`` has item_key, source, modality, embedding and code; a source holds one modality.
    ``blocker_for`` gives the blocker of a modality pair in sorted order, such as ``image-text``. A source
    paired with itself is joined with itself: each pair once, its left key the lesser. Whether two items are
    candidates depends on them alone, not on ``partitions``; more of these need less memory each.
    """
    plan = _plan(embeddings, blocker_for, source_pairs)
    used = sorted({source for pair in plan for source in pair})
    shipments = (
        embeddings.where(F.col("source").isin(used))
        .select("item_key", "source", "embedding", "code")
        .mapInArrow(Ship(plan, partitions), _SHIPMENT)
    )
    return shipments.repartitionById(partitions, "destination").mapInArrow(
        Meet(plan, partitions), CANDIDATE_BLOCK
    )


def _plan(
    embeddings: DataFrame,
    blocker_for: Mapping[str, Blocker] | Callable[[str], Blocker],
    source_pairs: Sequence[tuple[str, str]],
) -> Plan:
    """The blocker of every pair of sources that have items; each unordered pair of sources once."""
    modality: dict[str, str] = {}
    for source, kind in embeddings.select("source", "modality").distinct().sort("source").collect():
        if modality.setdefault(source, kind) != kind:
            raise XmerError(
                f"blocking: source {source!r} has items of modality {modality[source]} and {kind}; "
                "make it one source a modality"
            )
    plan: Plan = {}
    for left, right in source_pairs:
        if left not in modality or right not in modality or (right, left) in plan:
            continue
        name = "-".join(sorted((modality[left], modality[right])))
        if callable(blocker_for):
            plan[left, right] = blocker_for(name)
        elif name in blocker_for:
            plan[left, right] = blocker_for[name]
        else:
            raise ConfigError(f"blocking: no blocker for the modality pair {name} of {left} and {right}")
    return plan


@dataclass(frozen=True)
class Ship:
    """Arrow batches of embeddings -> one block for each partition and source."""

    plan: Plan
    partitions: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = (row for batch in batches for row in self._rows(batch))
        return _record_batches(rows, _SHIPMENT_ARROW)

    def _rows(self, batch: pa.RecordBatch) -> Iterator[Row]:
        sources = batch.column("source")
        for source in sorted(sources.unique().to_pylist()):
            items = _items(batch.filter(pc.equal(sources, source)), source)
            reached = np.zeros((len(items.keys), self.partitions), bool)
            for pair, blocker in self.plan.items():
                if source == pair[0]:
                    reached |= blocker.destinations("left", *items.coded, self.partitions)
                if source == pair[1]:
                    reached |= blocker.destinations("right", *items.coded, self.partitions)
            for destination in np.flatnonzero(reached.any(axis=0)):
                sent = items.take(np.flatnonzero(reached[:, destination]))
                yield {
                    "destination": destination,
                    "source": source,
                    "words": items.codes.shape[1],
                    "keys": sent.keys.tobytes(),
                    "codes": sent.codes.tobytes(),
                    "vectors": sent.vectors.tobytes(),
                }


@dataclass(frozen=True)
class Meet:
    """The blocks sent to a partition -> its candidate pairs."""

    plan: Plan
    partitions: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        received: dict[int, dict[str, list[Items]]] = {}
        for batch in batches:
            for row in batch.to_pylist():
                sources = received.setdefault(row["destination"], {})
                sources.setdefault(row["source"], []).append(_unpack(row))
        rows = (
            row
            for partition in sorted(received)
            for row in self._rows(partition, {s: _gather(b) for s, b in received[partition].items()})
        )
        return _record_batches(rows, _CANDIDATES_ARROW)

    def _rows(self, partition: int, items: Mapping[str, Items]) -> Iterator[Row]:
        for (left, right), blocker in self.plan.items():
            if left not in items or right not in items:
                continue
            a, b = items[left], items[right]
            tiles = blocker.local_pairs(a.coded, b.coded, partition, self.partitions)
            if left == right:
                tiles = map(_ordered, tiles)
            item_bytes = a.codes[:1].nbytes + a.vectors[:1].nbytes
            for tile in regroup(tiles, ROW_PAIRS, max(1, ROW_BYTES // max(1, item_bytes))):
                yield {"left_source": left, "right_source": right, **_block(a, b, tile)}


def _items(batch: pa.RecordBatch, source: str) -> Items:
    keys = batch.column("item_key").to_numpy()
    codes = _matrix(batch.column("code"), np.int64, f"codes of source {source!r}").view(np.uint64)
    vectors = _matrix(batch.column("embedding"), np.float32, f"embeddings of source {source!r}")
    return Items(keys, codes, vectors)


def _matrix(column: pa.ListArray, kind: type, what: str) -> np.ndarray:
    """A column of equally long lists as (n, length)."""
    values = column.flatten()
    if column.null_count or values.null_count or len(values) % len(column):
        raise XmerError(f"blocking: the {what} are not all of one length, or have missing values")
    width = len(values) // len(column)
    if not pc.all(pc.equal(pc.list_value_length(column), width)).as_py():
        raise XmerError(f"blocking: the {what} are not all of one length")
    return values.to_numpy(zero_copy_only=False).astype(kind, copy=False).reshape(len(column), width)


def _unpack(row: Row) -> Items:
    keys = np.frombuffer(row["keys"], np.int64)
    codes = np.frombuffer(row["codes"], np.uint64).reshape(len(keys), row["words"])
    return Items(keys, codes, np.frombuffer(row["vectors"], np.float32).reshape(len(keys), -1))


def _gather(blocks: list[Items]) -> Items:
    """One source's items in the order of their keys, so that nothing depends on the order of arrival."""
    joined = Items(*(np.concatenate(arrays) for arrays in zip(*blocks, strict=True)))
    return joined.take(np.argsort(joined.keys))


def _ordered(tile: Tile) -> Tile:
    """Each pair of a self join once: items are sorted by key, so the lesser key is the lesser position."""
    keep = tile.left < tile.right
    return Tile(*(array[keep] for array in tile))


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


def _record_batches(rows: Iterable[Row], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows as Arrow batches of about ``ROW_BYTES``."""
    waiting: list[Row] = []
    size = 0
    for row in rows:
        waiting.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, bytes))
        if size >= ROW_BYTES:
            yield pa.RecordBatch.from_pylist(waiting, schema)
            waiting, size = [], 0
    if waiting:
        yield pa.RecordBatch.from_pylist(waiting, schema)


def candidate_pairs(blocks: DataFrame, blocker: str) -> DataFrame:
    """Blocks of candidates as rows of the table pairs, for those who want to look at every candidate."""
    columns = "left_key bigint, right_key bigint, hamming int"
    return blocks.mapInArrow(_spread, columns).select(
        "left_key", "right_key", F.array(F.lit(blocker)).alias("blockers"), "hamming"
    )


def _spread(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for row in batch.to_pylist():
            left, right = (
                np.frombuffer(row[f"{side}_keys"], np.int64)[np.frombuffer(row[f"{side}_index"], np.int32)]
                for side in ("left", "right")
            )
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array(np.minimum(left, right)),
                    pa.array(np.maximum(left, right)),
                    pa.array(np.frombuffer(row["hamming"], np.int32)),
                ],
                names=["left_key", "right_key", "hamming"],
            )
