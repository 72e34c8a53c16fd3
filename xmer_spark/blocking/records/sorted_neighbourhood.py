"""Records that are neighbours in an order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from xmer_spark.blocking.base import TILE, Side
from xmer_spark.blocking.join import ranges
from xmer_spark.blocking.records.base import (
    Fields,
    Pairs,
    Prepared,
    RecordBlocker,
    Records,
    check_columns,
    column_of,
)
from xmer_spark.blocking.records.keys import Key, key
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.mixing import line
from xmer_spark.numerics.rows import chunks

if TYPE_CHECKING:
    import pyarrow as pa

#: Neighbours in the order that are in one partition, at least.
_STRETCH = 4096
#: Chance agreements of a field from which on an order by it says little.
_TELLING = 0.01


class SortedNeighbourhood(RecordBlocker):
    """A pair is a candidate if both records are in one window of ``window`` records of all, sorted by a key.

    The key is the values of ``by``, key expressions, one after another, then the record's key. A record that
    lacks one of them is not proposed. A record's mark is its place in the order of both sides together; a
    record that arrives later can move two others out of their window.

    Hernandez and Stolfo 1995. Across partitions it is cut with an overlap, as in Kolb, Thor and Rahm 2012.
    """

    marked: ClassVar[bool] = True
    unmarked: ClassVar[int] = -1

    def __init__(self, by: Sequence[str] = (), window: int = 10) -> None:
        self.by = by
        self.window = window

    @property
    def symmetric(self) -> bool:  # type: ignore[override]
        return not any("~" in k.field for k in self._keys())

    @classmethod
    def options(cls, fields: Fields) -> list[Self]:
        """Each field that tells records apart as the order."""
        return [
            cls([field], 20)
            for field, chance in zip(fields.texts, fields.agreement, strict=True)
            if chance < _TELLING
        ]

    def columns(self, side: Side, available: Sequence[str]) -> list[str]:
        wanted = sorted({column_of(side, k.field) for k in self._keys()})
        check_columns(wanted, available)
        return wanted

    def prepare(self, side: Side, records: Records, marks: np.ndarray | None = None) -> Prepared:
        """The strings that the records are sorted by, where they have no places yet."""
        made = np.empty(len(records.keys), object)
        if marks is None:
            made = self.sort_keys(side, records).to_numpy(zero_copy_only=False)
        return Prepared(records.keys, made, marks)

    def sort_keys(self, side: Side, records: Records) -> pa.Array:
        """What the records are sorted by: n strings, missing where a record has no place in the order."""
        import pyarrow.compute as pc

        parts = [k.of(side, records.table) for k in self._keys()]
        return pc.binary_join_element_wise(*parts, "\x00")

    def marks(self, left: Prepared, right: Prepared) -> tuple[np.ndarray, np.ndarray]:
        import pyarrow as pa

        within = np.array_equal(left.keys, right.keys)
        sides = [left] if within else [left, right]
        every = pa.table(
            {
                "by": pa.array(np.concatenate([side.made for side in sides]), pa.string()),
                "key": np.concatenate([side.keys for side in sides]),
                "row": np.arange(sum(len(side.keys) for side in sides)),
            }
        )
        placed = every.filter(every["by"].is_valid()).sort_by([("by", "ascending"), ("key", "ascending")])
        marks = np.full(len(every), self.unmarked, np.int64)
        marks[placed["row"].to_numpy()] = np.arange(len(placed))
        return (marks, marks) if within else (marks[: len(left.keys)], marks[len(left.keys) :])

    def destinations(self, side: Side, records: Prepared, partitions: int) -> np.ndarray:
        place = _places(records)
        reached = np.zeros((partitions, len(place)), bool)
        rows = np.flatnonzero(place >= 0)
        reach = self.window - 1 if side == "right" else 0
        for away in {-reach, 0, reach}:
            home = self._home(np.maximum(place[rows] + away, 0), partitions)
            reached[home, rows] = True
        return reached.T

    def local_pairs(
        self, left: Prepared, right: Prepared, partition: int, partitions: int
    ) -> Iterator[Pairs]:
        a, b = _places(left), _places(right)
        mine = np.flatnonzero(a >= 0)
        mine = mine[self._home(a[mine], partitions) == partition]
        theirs = np.flatnonzero(b >= 0)
        theirs = theirs[np.argsort(b[theirs], kind="stable")]
        first = np.searchsorted(b[theirs], a[mine] - self.window, side="right")
        count = np.searchsorted(b[theirs], a[mine] + self.window, side="left") - first
        for rows in chunks(len(mine), max(1, TILE // (2 * self.window))):
            i = np.repeat(mine[rows], count[rows])
            j = theirs[ranges(first[rows], count[rows])]
            other = a[i] != b[j]
            yield i[other].astype(np.int32), j[other].astype(np.int32)

    def pairs(self, left: Prepared, right: Prepared) -> Iterator[Pairs]:
        return self.local_pairs(left, right, 0, 1)

    def meets(self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        a, b = _places(left)[i], _places(right)[j]
        placed = (a >= 0) & (b >= 0)
        return placed & (a != b) & (np.abs(a - b) < self.window)

    def thinned(self, share: float) -> Self:
        other = copy(self)
        other.window = max(2, round(self.window * share))
        return other

    def _home(self, place: np.ndarray, partitions: int) -> np.ndarray:
        return line(place // max(_STRETCH, self.window), partitions)

    def _keys(self) -> list[Key]:
        if not self.by or self.window < 2:
            raise ConfigError(
                "blocking.sorted_neighbourhood: by names what records are sorted by, and window is at least 2"
            )
        return [key(expression) for expression in self.by]


def _places(records: Prepared) -> np.ndarray:
    if records.marks is None:
        raise ValueError("the places of the records have to be found first")
    return records.marks
