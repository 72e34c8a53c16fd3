"""Records sent to where their pairs are made, and read again there.

A row of a shipment holds all the records of a batch that one partition needs, as an Arrow stream of the
columns that blockers read, the marks, and the payload.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.blocking.base import Side
from xmer_spark.blocking.records.base import KEY, SOURCE, RecordBlocker, Records
from xmer_spark.blocking.records.joint import Ready, joint_destinations
from xmer_spark.blocking.shipping import SHIP_BYTES, Row, arrow_schema, joined, record_batches
from xmer_spark.errors import XmerError

SHIPMENT = "destination int, source string, records binary"
#: The blockers of each pair of sources, in their order.
RecordPlan = Mapping[tuple[str, str], Sequence[RecordBlocker]]


def mark_column(pair: int, blocker: int) -> str:
    """The column of the marks of one blocker of one pair of sources, by their places in the plan."""
    return f"/mark/{pair}/{blocker}"


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
