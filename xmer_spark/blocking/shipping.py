"""Items sent to where their pairs are made: Arrow batches of embeddings -> blocks, and blocks -> items again.

A row of a shipment holds all the items of a batch that one partition needs, for rows of single items would
cost more to send than to compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.blocking.base import Blocker, Coded
from xmer_spark.numerics import arrow

#: Bytes of codes and vectors in one row, and of rows in one Arrow batch.
ROW_BYTES = 32 << 20
#: Bytes of items that a task hashes and sends at once: few and large rows are what makes it fast.
SHIP_BYTES = 16 << 20

SHIPMENT = "destination int, source string, words int, keys binary, codes binary, vectors binary"
_ARROW_TYPES = {"int": pa.int32(), "bigint": pa.int64(), "string": pa.string(), "binary": pa.binary()}

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


@dataclass(frozen=True)
class Ship:
    """Arrow batches of embeddings -> one block per partition and source, as rows of ``SHIPMENT``."""

    plan: Plan
    partitions: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = (row for batch in joined(batches, SHIP_BYTES) for row in self._rows(batch))
        return record_batches(rows, arrow_schema(SHIPMENT))

    def _rows(self, batch: pa.RecordBatch) -> Iterator[Row]:
        sources = batch.column("source")
        for source in sorted(sources.unique().to_pylist()):
            items = _items(batch.filter(pc.equal(sources, source)), source)
            reached = self._reached(source, items)
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

    def _reached(self, source: str, items: Items) -> np.ndarray:
        """Which partitions need which items: (partitions, n) bool."""
        reached = np.zeros((self.partitions, len(items.keys)), bool)
        for (left, right), blocker in self.plan.items():
            if source == left:
                reached |= blocker.destinations("left", *items.coded, self.partitions).T
            if source == right:
                reached |= blocker.destinations("right", *items.coded, self.partitions).T
        return reached


def received(batches: Iterable[pa.RecordBatch]) -> dict[int, dict[str, Items]]:
    """The items of a shipment by partition and source.

    They are in the order of their keys, so that nothing depends on the order of arrival.
    """
    blocks: dict[int, dict[str, list[Items]]] = {}
    for batch in batches:
        for row in batch.to_pylist():
            sources = blocks.setdefault(row["destination"], {})
            sources.setdefault(row["source"], []).append(_unpack(row))
    return {
        partition: {source: _gathered(found) for source, found in blocks[partition].items()}
        for partition in sorted(blocks)
    }


def record_batches(rows: Iterable[Row], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
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


def arrow_schema(ddl: str) -> pa.Schema:
    """The Arrow form of columns as Spark SQL writes them.

    >>> arrow_schema("left_key bigint, hamming int").types
    [DataType(int64), DataType(int32)]
    """
    return pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in map(str.split, ddl.split(", "))])


def joined(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.RecordBatch]:
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


def _gathered(blocks: list[Items]) -> Items:
    joined = Items(*(np.concatenate(arrays) for arrays in zip(*blocks, strict=True)))
    return joined.take(np.argsort(joined.keys))
