"""Which pairs become candidates, and which cease to be, when a few records came or have other marks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from xmer_spark.blocking.records.base import Prepared, RecordBlocker, Records
from xmer_spark.blocking.records.increment.marks import FRESH
from xmer_spark.blocking.records.joint import Found, Ready, proposed
from xmer_spark.blocking.records.meeting import Sides, block_rows
from xmer_spark.blocking.records.shipping import (
    SHIP_BYTES,
    RecordPlan,
    Row,
    arrow_schema,
    by_source,
    joined,
    mark_column,
    marked_places,
    prepared,
    record_batches,
)
from xmer_spark.schema import CHANGED_BLOCK


def was_column(pair: int, blocker: int) -> str:
    """The column of the marks that one blocker's records had before (``shipping.mark_column``)."""
    return f"/was/{pair}/{blocker}"


class Side(NamedTuple):
    """Records of one side as each blocker needs them, with the marks of now and of before.

    ``fresh`` (n) are those that were not there as they are now; their old marks are those of now.
    """

    now: Ready
    was: Ready
    fresh: np.ndarray

    @property
    def loose(self) -> Ready:
        """With the marks that keep more."""
        return [
            a if a.marks is None or b.marks is None else a._replace(marks=np.minimum(a.marks, b.marks))
            for a, b in zip(self.now, self.was, strict=True)
        ]


class Changed(NamedTuple):
    """Some pairs that have become candidates, and some that are none any more."""

    came: Found
    lost: Found


def changed_pairs(
    blockers: Sequence[RecordBlocker], left: Side, right: Side, within: bool
) -> Iterator[Changed]:
    """The pairs of these records whose candidacy has changed, each once, in tiles.

    A fresh record's pairs have all become candidates: what its earlier content was paired with is known
    by its key. ``within`` says that both sides are of one source: then the left key is the lesser.
    """
    loose = left.loose, right.loose
    for number, (blocker, a, b) in enumerate(zip(blockers, *loose, strict=True)):
        for i, j in blocker.pairs(a, b):
            if within:
                once = a.keys[i] < b.keys[j]
                i, j = i[once], j[once]
            first = ~proposed(blockers[:number], *loose, i, j)
            yield _split(blockers, left, right, i[first], j[first], number)


def _split(
    blockers: Sequence[RecordBlocker], left: Side, right: Side, i: np.ndarray, j: np.ndarray, number: int
) -> Changed:
    is_one, was_one = np.ones(len(i), bool), ~(left.fresh[i] | right.fresh[j])
    if any(blocker.marked for blocker in blockers):
        is_one = proposed(blockers, left.now, right.now, i, j)
        old = np.flatnonzero(was_one)
        was_one[old] = proposed(blockers, left.was, right.was, i[old], j[old])
    came, lost = is_one & ~was_one, was_one & ~is_one
    return Changed(*(Found(i[k], j[k], np.full(int(k.sum()), number, np.int32)) for k in (came, lost)))


class FewSides:
    """A few records by source, as a broadcast holds them: a worker prepares each side of a pair once."""

    def __init__(self, records: Mapping[str, Records], plan: RecordPlan) -> None:
        self.records = records
        self.plan = plan
        self._ready: dict[tuple[int, str], Side] = {}

    def side(self, number: int, side: Any) -> Side:
        """The few of the left or right source of the plan's pair with this number."""
        if (number, side) not in self._ready:
            pair, blockers = list(self.plan.items())[number]
            few = self.records[pair[side == "right"]]
            self._ready[number, side] = side_of(blockers, number, side, few)
        return self._ready[number, side]


@dataclass(frozen=True)
class ChangedBlocks:
    """Arrow batches of all records -> their pairs with a few whose candidacy has changed.

    ``few`` is a broadcast of the fresh records and of those with other marks, by source, and ``new`` one of
    their marks; the batches have the columns that blockers read, the payload, ``FRESH`` and the marks of
    before under ``mark_column``, the few those of ``with_new``. Of a pair of two of the few, the left one
    is taken as the few's.
    """

    few: Any
    new: Any
    plan: RecordPlan
    payload: Mapping[str, Sequence[str]]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = (row for batch in joined(batches, SHIP_BYTES) for row in self._rows(batch))
        return record_batches(rows, arrow_schema(CHANGED_BLOCK))

    def _rows(self, batch: pa.RecordBatch) -> Iterator[Row]:
        few = self.few.value.records
        marked = with_new(pa.Table.from_batches([batch]), self.plan, self.new.value)
        for source, records in by_source(marked).items():
            known = few[source].keys if source in few else np.empty(0, np.int64)
            others = records.take(np.flatnonzero(~np.isin(records.keys, known)))
            for number, (left, right) in enumerate(self.plan):
                blockers, own = self.plan[left, right], self.few.value.side
                if source == right and left in few:
                    ready = own(number, "left"), side_of(blockers, number, "right", records)
                    yield from self._between((left, right), Sides(few[left], records), *ready)
                if source == left and right in few:
                    ready = side_of(blockers, number, "left", others), own(number, "right")
                    yield from self._between((left, right), Sides(others, few[right]), *ready)

    def _between(self, pair: tuple[str, str], sides: Sides, left: Side, right: Side) -> Iterator[Row]:
        changed = list(changed_pairs(self.plan[pair], left, right, pair[0] == pair[1]))
        for lost in (False, True):
            found = (tile.lost if lost else tile.came for tile in changed)
            yield from (row | {"lost": lost} for row in block_rows(pair, sides, found, self.payload))


def side_of(blockers: Sequence[RecordBlocker], pair: int, side: Any, records: Records) -> Side:
    """Records of one side of the plan's pair, prepared with the marks of now and of before."""
    now = prepared(blockers, pair, side, records)
    was: list[Prepared] = []
    for place, (blocker, ready) in enumerate(zip(blockers, now, strict=True)):
        marks = records.table[was_column(pair, place)].to_numpy() if blocker.marked else None
        was.append(ready._replace(marks=marks))
    return Side(now, was, records.table[FRESH].to_numpy(zero_copy_only=False))


class Marks(NamedTuple):
    """The marks (n) int64 of some records, by their keys (n), ascending."""

    keys: np.ndarray
    marks: np.ndarray


#: The marks that are new, by the places of the pair of sources and of the blocker.
NewMarks = Mapping[tuple[int, int], Marks]


def with_new(table: pa.Table, plan: RecordPlan, new: NewMarks) -> pa.Table:
    """Records with the marks of now (``mark_column``) beside those of before (``was_column``).

    ``table`` has those of before under ``mark_column``. What a fresh record had before says nothing; its
    marks of now stand for it.
    """
    keys = table["record_key"].to_numpy()
    fresh = table[FRESH].to_numpy(zero_copy_only=False)
    for number, place in marked_places(plan):
        name = mark_column(number, place)
        was = table[name].to_numpy()
        now = _overlaid(keys, was, new.get((number, place)))
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(now))
        table = table.append_column(was_column(number, place), pa.array(np.where(fresh, now, was)))
    return table


def _overlaid(keys: np.ndarray, marks: np.ndarray, new: Marks | None) -> np.ndarray:
    """The marks (n) of records by their keys (n), with the new ones in place."""
    if new is None or not len(new.keys):
        return marks
    place = np.minimum(np.searchsorted(new.keys, keys), len(new.keys) - 1)
    return np.where(new.keys[place] == keys, new.marks[place], marks)


def moved(table: pa.Table, plan: RecordPlan) -> np.ndarray:
    """Which records (n) bool of ``with_new`` are fresh, or have another mark than before."""
    found = np.array(table[FRESH].to_numpy(zero_copy_only=False), bool)
    for at in marked_places(plan):
        found |= table[mark_column(*at)].to_numpy() != table[was_column(*at)].to_numpy()
    return found
