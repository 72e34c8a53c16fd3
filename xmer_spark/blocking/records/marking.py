"""The marks of ranked blockers found where all is not in one memory: from the best scores in parts of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from xmer_spark.blocking.records.base import Prepared
from xmer_spark.blocking.records.best import Best
from xmer_spark.blocking.records.ranked import Ranked
from xmer_spark.blocking.records.shipping import (
    SHIP_BYTES,
    SHIPMENT,
    Row,
    arrow_schema,
    by_source,
    joined,
    received,
    record_batches,
    shipment,
    sides_in,
)
from xmer_spark.blocking.scan import cell, reached_in_grid
from xmer_spark.numerics.mixing import line

#: The best scores of some records of one side, and the marks that come of them.
BEST = "destination int, side string, keys binary, scores binary"
MARKS = "record_key bigint, mark bigint"


@dataclass(frozen=True)
class ShipToGrid:
    """Arrow batches of records -> the cells of a grid in which each left one meets each right one once."""

    pair: tuple[str, str]
    partitions: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = (row for batch in joined(batches, SHIP_BYTES) for row in self._rows(batch))
        return record_batches(rows, arrow_schema(SHIPMENT))

    def _rows(self, batch: pa.RecordBatch) -> Iterator[Row]:
        for source, records in by_source(pa.Table.from_batches([batch])).items():
            reached = np.zeros((len(records.keys), self.partitions), bool)
            for side in sides_in(self.pair, source):
                reached |= reached_in_grid(side, records.keys, self.partitions)
            yield from shipment(source, records, reached)


@dataclass(frozen=True)
class BestOfCell:
    """What was sent to the cells of a grid -> the best scores there of each record, in rows of ``BEST``."""

    blocker: Ranked
    pair: tuple[str, str]
    partitions: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return record_batches(self._rows(batches), arrow_schema(BEST))

    def _rows(self, batches: Iterable[pa.RecordBatch]) -> Iterator[Row]:
        left, right = self.pair
        for partition, sources in received(batches).items():
            if left not in sources or right not in sources:
                continue
            mine, theirs = cell(sources[left].keys, sources[right].keys, partition, self.partitions)
            a = self.blocker.prepare("left", sources[left].take(mine))
            b = self.blocker.prepare("right", sources[right].take(theirs))
            for side, records, best in zip(("left", "right"), (a, b), self.blocker.best(a, b), strict=True):
                if side == "left" or left != right:  # of a source with itself, both sides say the same
                    yield from self._sent(side, records, best)

    def _sent(self, side: str, records: Prepared, best: Best) -> Iterator[Row]:
        home = line(records.keys, self.partitions)
        for destination in np.unique(home):
            rows = home == destination
            yield {
                "destination": destination,
                "side": side,
                "keys": records.keys[rows].tobytes(),
                "scores": best.scores[rows].tobytes(),
            }


@dataclass(frozen=True)
class Least:
    """The best scores in every cell -> the marks of the records, in rows of ``MARKS``."""

    blocker: Ranked

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts: dict[str, list[Row]] = {}
        for batch in batches:
            for row in batch.to_pylist():
                parts.setdefault(row["side"], []).append(row)
        for side in sorted(parts):
            keys = [np.frombuffer(row["keys"], np.int64) for row in parts[side]]
            every = np.unique(np.concatenate(keys))
            best = Best(len(every), self.blocker.top)
            for own, row in zip(keys, parts[side], strict=True):
                scores = np.frombuffer(row["scores"], np.int64).reshape(len(own), self.blocker.top)
                best.merge(np.searchsorted(every, own), scores)
            columns = [pa.array(every), pa.array(best.least)]
            yield pa.RecordBatch.from_arrays(columns, schema=arrow_schema(MARKS))
