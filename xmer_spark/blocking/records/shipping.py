"""Records sent to where their pairs are made, and read again there.

A row of a shipment holds all the records of a batch that one partition needs, as an Arrow stream of the
columns that blockers read, the marks, and the payload.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.blocking.base import Side
from xmer_spark.blocking.records.base import KEY, SOURCE, RecordBlocker, Records
from xmer_spark.blocking.records.joint import Ready, joint_destinations
from xmer_spark.errors import XmerError

#: Bytes in one row, and of rows in one Arrow batch.
ROW_BYTES = 32 << 20
#: Bytes of records that a task sends at once: few and large rows are what makes it fast.
SHIP_BYTES = 16 << 20

SHIPMENT = "destination int, source string, records binary"
_ARROW_TYPES = {
    "int": pa.int32(), "bigint": pa.int64(), "string": pa.string(), "binary": pa.binary(),
    "boolean": pa.bool_(),
}  # fmt: skip

#: The blockers of each pair of sources, in their order.
RecordPlan = Mapping[tuple[str, str], Sequence[RecordBlocker]]
Row = dict[str, Any]


def mark_column(pair: int, blocker: int) -> str:
    """The column of the marks of one blocker of one pair of sources, by their places in the plan."""
    return f"/mark/{pair}/{blocker}"


def marked_places(plan: RecordPlan) -> Iterator[tuple[int, int]]:
    """Where blockers that mark their records stand: the numbers of the pair of sources and of the blocker."""
    for number, blockers in enumerate(plan.values()):
        yield from ((number, place) for place, blocker in enumerate(blockers) if blocker.marked)


@dataclass(frozen=True)
class ShipRecords:
    """Arrow batches of records -> one block per partition and source, as rows of ``SHIPMENT``.

    ``columns`` are those that records of each source take with them.
    """

    plan: RecordPlan
    partitions: int
    columns: Mapping[str, Sequence[str]]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = (row for batch in joined(batches, SHIP_BYTES) for row in self._rows(batch))
        return record_batches(rows, arrow_schema(SHIPMENT))

    def _rows(self, batch: pa.RecordBatch) -> Iterator[Row]:
        for source, records in by_source(pa.Table.from_batches([batch])).items():
            sent = Records(records.keys, records.table.select([KEY, *self.columns[source]]))
            yield from shipment(source, sent, self._reached(source, records))

    def _reached(self, source: str, records: Records) -> np.ndarray:
        reached = np.zeros((len(records.keys), self.partitions), bool)
        for number, ((left, right), blockers) in enumerate(self.plan.items()):
            for side in sides_in((left, right), source):
                ready = prepared(blockers, number, side, records)
                reached |= joint_destinations(blockers, side, ready, self.partitions)
        return reached


def sides_in(pair: tuple[str, str], source: str) -> list[Side]:
    """The sides on which a source is in a pair of sources.

    >>> sides_in(("shop", "shop"), "shop"), sides_in(("shop", "web"), "web")
    (['left', 'right'], ['right'])
    """
    sides: tuple[Side, Side] = ("left", "right")
    return [side for side, own in zip(sides, pair, strict=True) if own == source]


def prepared(blockers: Sequence[RecordBlocker], pair: int, side: Side, records: Records) -> Ready:
    """The records as each blocker of the plan's pair needs them, with the marks that they carry."""
    ready = []
    for number, blocker in enumerate(blockers):
        marks = None
        if blocker.marked:
            marks = records.table[mark_column(pair, number)].to_numpy()
        ready.append(blocker.prepare(side, records, marks))
    return ready


def by_source(table: pa.Table) -> dict[str, Records]:
    """The records of each source, by its name."""
    found = {}
    for source in sorted(table[SOURCE].unique().to_pylist()):
        own = table.filter(pc.equal(table[SOURCE], source))
        found[source] = Records(own[KEY].to_numpy(), own.drop_columns([SOURCE]))
    return found


def shipment(source: str, records: Records, reached: np.ndarray) -> Iterator[Row]:
    for destination in np.flatnonzero(reached.any(axis=0)):
        sent = records.table.take(np.flatnonzero(reached[:, destination]))
        yield {"destination": destination, "source": source, "records": stream(sent)}


def received(batches: Iterable[pa.RecordBatch]) -> dict[int, dict[str, Records]]:
    """The records of a shipment by partition and source, in the order of their keys."""
    parts: dict[int, dict[str, list[pa.Table]]] = {}
    for batch in batches:
        for row in batch.to_pylist():
            sources = parts.setdefault(row["destination"], {})
            sources.setdefault(row["source"], []).append(pa.ipc.open_stream(row["records"]).read_all())
    return {
        partition: {source: _in_order(pa.concat_tables(tables)) for source, tables in sources.items()}
        for partition, sources in sorted(parts.items())
    }


def _in_order(table: pa.Table) -> Records:
    table = table.take(np.argsort(table[KEY].to_numpy(), kind="stable")).combine_chunks()
    keys = table[KEY].to_numpy()
    if (np.diff(keys) == 0).any():
        raise XmerError("blocking: two records of a source have the same record_key; ingest again")
    return Records(keys, table)


def stream(table: pa.Table) -> bytes:
    """A table as the bytes of an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    found: bytes = sink.getvalue().to_pybytes()
    return found


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

    >>> arrow_schema("record_key bigint, part int").types
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
