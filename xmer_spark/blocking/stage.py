"""Blocking on Spark: embeddings -> blocks of candidate pairs.

What travels between tasks is blocks, not rows: a task hashes an Arrow batch at once and sends each
partition that one of its items can meet a pair in a single row with all these items' keys, codes and
vectors. There the blocker joins them in memory. A pair that several buckets propose is made in one
partition only, so nothing has to be shuffled again to remove duplicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from xmer_spark.blocking.base import Blocker, Coded, Tile
from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.names import pair_name
from xmer_spark.numerics import arrow
from xmer_spark.schema import CANDIDATE_BLOCK

#: Pairs in one row of the result.
ROW_PAIRS = 200_000
#: Bytes of codes and vectors in one row, and of rows in one Arrow batch.
ROW_BYTES = 32 << 20
#: Bytes of items that a task hashes and sends at once: few and large rows are what makes it fast.
SHIP_BYTES = 16 << 20
#: Sources from which a sample is taken first, to see how their codes are spread, and its size.
SAMPLE_FROM, SAMPLE = 200_000, 16_384

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
_PAIRS = "left_key bigint, right_key bigint, hamming int"
_PAIRS_ARROW = pa.schema([("left_key", pa.int64()), ("right_key", pa.int64()), ("hamming", pa.int32())])

#: The blocker of each pair of sources.
Plan = dict[tuple[str, str], Blocker]
Row = dict[str, Any]


class Items(NamedTuple):
    """Items of one source: keys (n) int64, codes (n, words) uint64, vectors (n, dimensions) float32.

    Where codes are all that matters, vectors have no dimensions.
    """

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
    sources = embeddings.groupBy("source", "modality").count().sort("source", "modality").collect()
    plan = _plan([(row.source, row.modality) for row in sources], blocker_for, source_pairs)
    items = embeddings.select("item_key", "source", "embedding", "code")
    shipments, plan = _shipped(items, {row.source: row["count"] for row in sources}, plan, partitions)
    return shipments.mapInArrow(Meet(plan, partitions), CANDIDATE_BLOCK)


def hamming_join(left: DataFrame, right: DataFrame | None, blocker: Blocker, partitions: int) -> DataFrame:
    """The candidate pairs of two tables of codes, one a row: left_key, right_key, hamming.

    Either side has item_key (distinct) and code (array<bigint>); no vectors travel. Without ``right``,
    ``left`` is joined with itself: each pair once, left_key < right_key. The codes are counted, and a few
    of many sampled, before this returns; they are best stored or cached.
    """
    pair = ("left", "left") if right is None else ("left", "right")
    codes = left.select("item_key", F.lit("left").alias("source"), "code")
    if right is not None:
        codes = codes.unionAll(right.select("item_key", F.lit("right").alias("source"), "code"))
    _check_symmetric(pair, blocker)
    sizes = {"left": left.count()} if right is None else {"left": left.count(), "right": right.count()}
    shipments, plan = _shipped(codes, sizes, {pair: blocker}, partitions)
    return shipments.mapInArrow(Pairs(plan, partitions), _PAIRS)


def _shipped(
    items: DataFrame, sizes: Mapping[str, int], plan: Plan, partitions: int
) -> tuple[DataFrame, Plan]:
    """Every item where its pairs are made, and the plan, tuned to the items, that says where that is."""
    used = sorted({source for pair in plan for source in pair})
    items = items.where(F.col("source").isin(used))
    large = {source: sizes[source] for source in used if sizes.get(source, 0) >= SAMPLE_FROM}
    plan = _tuned(items, large, plan, partitions)
    shipments = items.mapInArrow(Ship(plan, partitions), _SHIPMENT)
    return shipments.repartitionById(partitions, "destination"), plan


def _tuned(items: DataFrame, sizes: Mapping[str, int], plan: Plan, partitions: int) -> Plan:
    """The blockers tuned to samples of these sources; the sample depends on the keys alone."""
    if not any(a in sizes and b in sizes for a, b in plan):
        return plan
    drawn = F.lit(False)
    for source, size in sorted(sizes.items()):
        chance = int(SAMPLE / size * 2**32)
        drawn |= (F.col("source") == source) & (F.pmod(F.xxhash64("item_key"), F.lit(2**32)) < chance)
    sample = items.where(drawn).select("item_key", "source", "code").toArrow().sort_by("item_key")
    codes = {
        source: arrow.codes(sample.filter(pc.equal(sample["source"], source))["code"], f"codes of {source!r}")
        for source in sorted(sizes)
    }
    tuned = dict(plan)
    for (a, b), blocker in plan.items():
        if a in codes and b in codes:
            tuned[a, b] = blocker.tuned(codes[a], codes[b], isqrt(sizes[a] * sizes[b]), partitions)
    return tuned


def _plan(
    sources: Sequence[tuple[str, str]],
    blocker_for: Mapping[str, Blocker] | Callable[[str], Blocker],
    source_pairs: Sequence[tuple[str, str]],
) -> Plan:
    """The blocker of every pair of sources that have items; each unordered pair of sources once.

    ``sources`` are sources with their modalities.
    """
    modality: dict[str, str] = {}
    for source, kind in sources:
        if modality.setdefault(source, kind) != kind:
            raise XmerError(
                f"blocking: source {source!r} has items of modality {modality[source]} and {kind}; "
                "make it one source a modality"
            )
    plan: Plan = {}
    for left, right in source_pairs:
        if left not in modality or right not in modality or (right, left) in plan:
            continue
        name = pair_name(modality[left], modality[right])
        if callable(blocker_for):
            plan[left, right] = blocker_for(name)
        elif name in blocker_for:
            plan[left, right] = blocker_for[name]
        else:
            raise ConfigError(f"blocking: no blocker for the modality pair {name} of {left} and {right}")
        _check_symmetric((left, right), plan[left, right])
    return plan


def _check_symmetric(pair: tuple[str, str], blocker: Blocker) -> None:
    if pair[0] == pair[1] and not blocker.symmetric:
        raise ConfigError(
            f"blocking: {type(blocker).__name__} treats its two sides differently, so it cannot join source "
            f"{pair[0]!r} with itself"
        )


@dataclass(frozen=True)
class Ship:
    """Arrow batches of embeddings -> one block for each partition and source."""

    plan: Plan
    partitions: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = (row for batch in _joined(batches, SHIP_BYTES) for row in self._rows(batch))
        return _record_batches(rows, _SHIPMENT_ARROW)

    def _rows(self, batch: pa.RecordBatch) -> Iterator[Row]:
        sources = batch.column("source")
        for source in sorted(sources.unique().to_pylist()):
            items = _items(batch.filter(pc.equal(sources, source)), source)
            reached = np.zeros((self.partitions, len(items.keys)), bool)
            for pair, blocker in self.plan.items():
                if source == pair[0]:
                    reached |= blocker.destinations("left", *items.coded, self.partitions).T
                if source == pair[1]:
                    reached |= blocker.destinations("right", *items.coded, self.partitions).T
            for destination in np.flatnonzero(reached.any(axis=1)):
                sent = items.take(np.flatnonzero(reached[destination]))
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
        return _record_batches(self._rows(batches), _CANDIDATES_ARROW)

    def _rows(self, batches: Iterable[pa.RecordBatch]) -> Iterator[Row]:
        for (left, right), a, b, tiles in _meetings(batches, self.plan, self.partitions):
            item_bytes = a.codes[:1].nbytes + a.vectors[:1].nbytes
            for tile in regroup(tiles, ROW_PAIRS, max(1, ROW_BYTES // max(1, item_bytes))):
                yield {"left_source": left, "right_source": right, **_block(a, b, tile)}


@dataclass(frozen=True)
class Pairs:
    """The blocks sent to a partition -> its candidate pairs, one a row."""

    plan: Plan
    partitions: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _, a, b, tiles in _meetings(batches, self.plan, self.partitions):
            for tile in regroup(tiles, ROW_PAIRS, 2 * ROW_PAIRS):
                yield pa.RecordBatch.from_arrays(
                    [pa.array(a.keys[tile.left]), pa.array(b.keys[tile.right]), pa.array(tile.hamming)],
                    schema=_PAIRS_ARROW,
                )


def _meetings(
    batches: Iterable[pa.RecordBatch], plan: Plan, partitions: int
) -> Iterator[tuple[tuple[str, str], Items, Items, Iterator[Tile]]]:
    """For every partition and pair of sources in what was received: both sides' items, and their pairs."""
    received: dict[int, dict[str, list[Items]]] = {}
    for batch in batches:
        for row in batch.to_pylist():
            sources = received.setdefault(row["destination"], {})
            sources.setdefault(row["source"], []).append(_unpack(row))
    for partition in sorted(received):
        items = {source: _gather(blocks) for source, blocks in received[partition].items()}
        for (left, right), blocker in plan.items():
            if left not in items or right not in items:
                continue
            a, b = items[left], items[right]
            tiles = blocker.local_pairs(a.coded, b.coded, partition, partitions)
            yield (left, right), a, b, map(_ordered, tiles) if left == right else tiles


def _joined(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of about ``size`` bytes."""
    waiting: list[pa.RecordBatch] = []
    waiting_bytes = 0
    for batch in batches:
        waiting.append(batch)
        waiting_bytes += batch.nbytes
        if waiting_bytes >= size:
            yield pa.concat_batches(waiting)
            waiting, waiting_bytes = [], 0
    if waiting:
        yield pa.concat_batches(waiting)


def _items(batch: pa.RecordBatch, source: str) -> Items:
    keys = batch.column("item_key").to_numpy()
    codes = arrow.codes(batch.column("code"), f"codes of source {source!r}")
    if "embedding" not in batch.schema.names:
        return Items(keys, codes, np.empty((len(keys), 0), np.float32))
    vectors = arrow.matrix(batch.column("embedding"), np.float32, f"embeddings of source {source!r}")
    return Items(keys, codes, vectors)


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
    return blocks.mapInArrow(_spread, _PAIRS).select(
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
                schema=_PAIRS_ARROW,
            )
