"""Matrices of int64 as blocks in Arrow: a row holds many entries of one kind, not one.

What a task does with the blocks that it has: it reads them, runs steps over them, and writes others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from xmer_spark.clustering.scale.contraction import Parcel, Step, Tables

#: A block: entries of one kind in columns, and the task that it goes to.
BLOCK = "task int, kind string, columns int, entries bigint, data binary"
#: Entries in one block: 4 MiB per pair of columns, so that several fit in an Arrow batch.
BLOCK_ENTRIES = 1 << 18
#: Entries of rows that are made a part at once.
PART_ENTRIES = 1 << 21


def of_rows(
    kind: str, steps: tuple[Step, ...], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Rows of 64-bit columns as entries of one kind, ``steps`` run over them."""
    part: list[np.ndarray] = []
    count = 0
    for batch in batches:
        part.append(np.stack([column.to_numpy().view(np.int64) for column in batch.columns]))
        count += batch.num_rows
        if count >= PART_ENTRIES:
            yield from _blocks(run_steps(steps, {kind: np.concatenate(part, axis=1)}), None)
            part, count = [], 0
    if part:
        yield from _blocks(run_steps(steps, {kind: np.concatenate(part, axis=1)}), None)


def stepped(
    steps: tuple[Step, ...], tasks: int | None, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The blocks of a part after ``steps``, addressed to ``tasks`` if there are any."""
    tables = _tables(batches)
    if tables:
        yield from _blocks(run_steps(steps, tables), tasks)


def as_rows(columns: tuple[str, ...], batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The entries of blocks as rows of these columns."""
    for batch in batches:
        for data in batch["data"]:
            entries = matrix(data.as_buffer(), len(columns))
            yield pa.RecordBatch.from_arrays([pa.array(column) for column in entries], names=list(columns))


def run_steps(steps: tuple[Step, ...], tables: Tables) -> Iterable[Parcel]:
    parcels: Iterable[Parcel] = [Parcel(kind, entries) for kind, entries in tables.items()]
    for step in steps:
        by_kind: dict[str, list[np.ndarray]] = {}
        for parcel in parcels:
            by_kind.setdefault(parcel.kind, []).append(parcel.entries)
        parcels = step({kind: joined(some, len(some[0])) for kind, some in by_kind.items()})
    return parcels


def _tables(batches: Iterable[pa.RecordBatch]) -> Tables:
    by_kind: dict[str, list[np.ndarray]] = {}
    for batch in batches:
        kinds, columns = batch["kind"].to_pylist(), batch["columns"].to_pylist()
        for kind, width, data in zip(kinds, columns, batch["data"], strict=True):
            by_kind.setdefault(kind, []).append(matrix(data.as_buffer(), width))
    return {kind: joined(some, len(some[0])) for kind, some in by_kind.items()}


def matrix(data: Any, columns: int) -> np.ndarray:
    return np.frombuffer(data, np.int64).reshape(columns, -1)


def joined(some: list[np.ndarray], columns: int) -> np.ndarray:
    if len(some) == 1:
        return some[0]
    return np.concatenate(some, axis=1) if some else np.empty((columns, 0), np.int64)


def _blocks(parcels: Iterable[Parcel], tasks: int | None) -> Iterator[pa.RecordBatch]:
    names = [column.split()[0] for column in BLOCK.split(", ")]
    for parcel in parcels:
        for task, entries in by_task(parcel, tasks):
            for start in range(0, entries.shape[1], BLOCK_ENTRIES):
                block = entries[:, start : start + BLOCK_ENTRIES]
                row: tuple[Any, ...] = (
                    pa.array([task], pa.int32()),
                    pa.array([parcel.kind], pa.string()),
                    pa.array([block.shape[0]], pa.int32()),
                    pa.array([block.shape[1]], pa.int64()),
                    pa.array([block.tobytes()], pa.binary()),
                )
                yield pa.RecordBatch.from_arrays(list(row), names=names)


def by_task(parcel: Parcel, tasks: int | None) -> Iterator[tuple[int, np.ndarray]]:
    if not parcel.entries.shape[1]:
        return
    to = None if tasks is None or tasks == 1 else parcel.destination(tasks)
    if to is None:
        yield 0, parcel.entries
        return
    # of 16 bits numpy sorts by radix
    to = to.astype(np.uint16) if tasks is not None and tasks < 2**16 else to
    order = np.argsort(to, kind="stable")
    entries = parcel.entries[:, order]
    ends = np.flatnonzero(np.diff(to[order])) + 1
    for piece, task in zip(np.split(entries, ends, axis=1), np.unique(to), strict=True):
        yield int(task), piece
