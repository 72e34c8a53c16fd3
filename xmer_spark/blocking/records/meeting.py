"""What a partition makes of the records that were sent to it: blocks of their candidate pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from xmer_spark.blocking.records.base import Records
from xmer_spark.blocking.records.joint import Found, gathered, joint_pairs
from xmer_spark.blocking.records.shipping import (
    ROW_BYTES,
    RecordPlan,
    Row,
    arrow_schema,
    prepared,
    received,
    record_batches,
    stream,
)
from xmer_spark.schema import RECORD_BLOCK

#: Pairs in one row of the result.
ROW_PAIRS = 200_000


class Sides(NamedTuple):
    """The records of a pair of sources in one place, each in the order of its keys."""

    left: Records
    right: Records


@dataclass(frozen=True)
class RecordBlocks:
    """A shipment -> its candidate pairs, in rows of ``schema.RECORD_BLOCK``.

    ``payload`` are the columns that a block carries of each source.
    """

    plan: RecordPlan
    partitions: int
    payload: Mapping[str, Sequence[str]]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return record_batches(self._rows(batches), arrow_schema(RECORD_BLOCK))

    def _rows(self, batches: Iterable[pa.RecordBatch]) -> Iterator[Row]:
        for partition, sources in received(batches).items():
            for number, ((left, right), blockers) in enumerate(self.plan.items()):
                if left in sources and right in sources:
                    sides = Sides(sources[left], sources[right])
                    a = prepared(blockers, number, "left", sides.left)
                    b = prepared(blockers, number, "right", sides.right)
                    found = joint_pairs(blockers, a, b, left == right, partition, self.partitions)
                    yield from block_rows((left, right), sides, found, self.payload)


def block_rows(
    pair: tuple[str, str], sides: Sides, found: Iterable[Found], payload: Mapping[str, Sequence[str]]
) -> Iterator[Row]:
    """Pairs of these records as rows of ``schema.RECORD_BLOCK``."""
    tables = [
        records.table.select(list(payload[source])) for records, source in zip(sides, pair, strict=True)
    ]
    most = max(1, ROW_BYTES // max(1, *(t.nbytes // max(1, len(t)) for t in tables)))
    for lot in regroup(found, ROW_PAIRS, most):
        row: Row = {"blocker": lot.blocker.tobytes(), "pairs": len(lot.left)}
        for side, source, records, table, index in zip(
            ("left", "right"), pair, sides, tables, lot[:2], strict=True
        ):
            positions, inverse = np.unique(index, return_inverse=True)
            row |= {
                f"{side}_source": source,
                f"{side}_keys": records.keys[positions].tobytes(),
                f"{side}_payload": stream(table.take(positions)),
                f"{side}_index": inverse.astype(np.int32).tobytes(),
            }
        yield row


def regroup(found: Iterable[Found], pairs: int, records: int) -> Iterator[Found]:
    """The same pairs in order, in lots of at most ``pairs`` pairs and ``records`` distinct records."""
    waiting: list[Found] = []
    size = 0
    for lot in found:
        waiting.append(lot)
        size += len(lot.left)
        if size >= pairs:
            yield from _cut(gathered(waiting), pairs, records)
            waiting, size = [], 0
    if size:
        yield from _cut(gathered(waiting), pairs, records)


def _cut(lot: Found, pairs: int, records: int) -> Iterator[Found]:
    for start in range(0, len(lot.left), pairs):
        part = Found(*(array[start : start + pairs] for array in lot))
        count = len(part.left)
        if count > 1 and _distinct(part.left) + _distinct(part.right) > records:
            yield from _cut(part, -(-count // 2), records)
        else:
            yield part


def _distinct(positions: np.ndarray) -> int:
    """How many different positions there are: counted, which takes a fortieth of sorting them."""
    return int(np.count_nonzero(np.bincount(positions)))
