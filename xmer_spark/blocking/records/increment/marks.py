"""The marks that a few records change: whose they can be, and what they are now.

A ranked blocker's mark of a record can only be another where a record that came, changed or left scores as
high with it as the mark was. So few records against all find those, and these against all their new marks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.blocking.base import Side
from xmer_spark.blocking.records.base import Prepared, Records
from xmer_spark.blocking.records.best import Best
from xmer_spark.blocking.records.ranked import Ranked
from xmer_spark.blocking.records.shipping import (
    SHIP_BYTES,
    RecordPlan,
    arrow_schema,
    by_source,
    joined,
    mark_column,
    sides_in,
)
from xmer_spark.numerics.mixing import line

#: Whether a record came or changed since its marks were found.
FRESH = "/fresh"
#: The best scores of some records among some others, by the places of the pair of sources and of the blocker.
BEST_OF_FEW = "destination int, pair int, place int, keys binary, scores binary"
NEW_MARKS = "pair int, place int, record_key bigint, mark bigint"


class Few:
    """A few records by source, as a broadcast holds them: a worker prepares them once for each blocker."""

    def __init__(self, records: Mapping[str, Records]) -> None:
        self.records = records
        self._ready: dict[tuple[int, int, str], Prepared] = {}

    def __contains__(self, source: str) -> bool:
        return source in self.records

    def keys(self, source: str) -> np.ndarray:
        return self.records[source].keys

    def met(self, meeting: Meeting) -> Prepared:
        """Those that records of a source meet, as the blocker needs them."""
        key = meeting.pair, meeting.place, meeting.other
        if key not in self._ready:
            few = self.records[meeting.other]
            self._ready[key] = meeting.blocker.prepare(opposite(meeting.side), few)
        return self._ready[key]


class Meeting(NamedTuple):
    """How the records of a source meet those few of another by one ranked blocker of the plan."""

    pair: int
    place: int
    blocker: Ranked
    side: Side
    other: str


def meetings(plan: RecordPlan, source: str) -> Iterator[Meeting]:
    """The ways in which records of a source are ranked; within a source both sides say the same."""
    for number, ((left, right), blockers) in enumerate(plan.items()):
        for side in sides_in((left, right), source)[:1]:
            for place, blocker in enumerate(blockers):
                if isinstance(blocker, Ranked):
                    yield Meeting(number, place, blocker, side, right if side == "left" else left)


def opposite(side: Side) -> Side:
    return "right" if side == "left" else "left"


@dataclass(frozen=True)
class Disturbed:
    """Arrow batches of records with their old marks -> those that these few can have given another one.

    The few are what came, as it is, and what left, as it was. What came itself is left out.
    """

    few: Any
    plan: RecordPlan

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in joined(batches, SHIP_BYTES):
            old = pa.Table.from_batches([batch]).filter(pc.invert(batch[FRESH]))
            for source in old["source"].unique().to_pylist():
                own = old.filter(pc.equal(old["source"], source))
                yield from own.filter(self._touched(source, own)).to_batches()

    def _touched(self, source: str, table: pa.Table) -> np.ndarray:
        records = Records(table["record_key"].to_numpy(), table)
        touched = np.zeros(len(table), bool)
        for meeting in meetings(self.plan, source):
            if meeting.other in self.few.value:
                mark = table[mark_column(meeting.pair, meeting.place)].to_numpy()
                own = meeting.blocker.prepare(meeting.side, records)
                for i, score in _scores(meeting, own, self.few.value.met(meeting)):
                    touched[i[score >= mark[i]]] = True
        return touched


def _scores(meeting: Meeting, records: Prepared, few: Prepared) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions of the records, and what they score with one of the few."""
    if meeting.side == "left":
        yield from ((i, score) for i, _, score in meeting.blocker.scored(records, few))
    else:
        yield from ((j, score) for _, j, score in meeting.blocker.scored(few, records))


@dataclass(frozen=True)
class BestOfFew:
    """Arrow batches of all records -> the best scores of a few of them there, in rows of ``BEST_OF_FEW``."""

    few: Any
    plan: RecordPlan
    partitions: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        best: dict[tuple[int, int, str], Best] = {}
        for batch in joined(batches, SHIP_BYTES):
            for source, records in by_source(pa.Table.from_batches([batch])).items():
                for meeting in meetings(self.plan, source):
                    if meeting.other in self.few.value:
                        self._add(best, meeting, records)
        for (pair, place, source), found in best.items():
            yield from self._sent(pair, place, self.few.value.keys(source), found.scores)

    def _add(self, best: dict[tuple[int, int, str], Best], meeting: Meeting, records: Records) -> None:
        own, theirs = meeting.blocker.prepare(meeting.side, records), self.few.value.met(meeting)
        sides = (own, theirs) if meeting.side == "left" else (theirs, own)
        of_few = meeting.blocker.best(*sides)[meeting.side == "left"]
        key = meeting.pair, meeting.place, meeting.other
        everyone = np.arange(len(theirs.keys))
        best.setdefault(key, Best(len(everyone), meeting.blocker.top)).merge(everyone, of_few.scores)

    def _sent(self, pair: int, place: int, keys: np.ndarray, scores: np.ndarray) -> Iterator[pa.RecordBatch]:
        home = line(keys, self.partitions)
        for destination in np.unique(home):
            rows = home == destination
            row = {
                "destination": destination, "pair": pair, "place": place,
                "keys": keys[rows].tobytes(), "scores": scores[rows].tobytes(),
            }  # fmt: skip
            yield pa.RecordBatch.from_pylist([row], arrow_schema(BEST_OF_FEW))


@dataclass(frozen=True)
class LeastOfFew:
    """The best scores of the same few records among different others -> their marks, as ``NEW_MARKS``."""

    plan: RecordPlan

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        blockers = list(self.plan.values())
        best: dict[tuple[int, int], dict[bytes, Best]] = {}
        for batch in batches:
            for row in batch.to_pylist():
                top = blockers[row["pair"]][row["place"]].top
                scores = np.frombuffer(row["scores"], np.int64).reshape(-1, top)
                # The few of a source that go to one place are the same from wherever they are sent.
                same = best.setdefault((row["pair"], row["place"]), {})
                same.setdefault(row["keys"], Best(len(scores), top)).merge(np.arange(len(scores)), scores)
        for (pair, place), parts in sorted(best.items()):
            for keys, found in sorted(parts.items()):
                yield _marks(pair, place, np.frombuffer(keys, np.int64), found.least)


def _marks(pair: int, place: int, keys: np.ndarray, mark: np.ndarray) -> pa.RecordBatch:
    columns = [np.full(len(keys), pair, np.int32), np.full(len(keys), place, np.int32), keys, mark]
    return pa.RecordBatch.from_arrays([pa.array(c) for c in columns], schema=arrow_schema(NEW_MARKS))
