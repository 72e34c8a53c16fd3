"""What every blocker of records offers: the columns it reads, and candidate pairs of two blocks of records.

A blocker decides on a pair by the two records, by what it was fitted to, and by one number a record, its
mark: the weight from which on it keeps a pair, or its place in an order. So that whichever task holds both
records knows whether an earlier blocker has proposed them, and nothing is shuffled to find out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from xmer_spark.blocking.base import Pairs, Side
from xmer_spark.blocking.scan import cell, reached_in_grid
from xmer_spark.errors import ConfigError
from xmer_spark.method import Method

if TYPE_CHECKING:
    import pyarrow as pa

#: The columns that every row of records has beside its fields.
KEY, SOURCE = "record_key", "source"
#: Seconds of one core to look at a pair of records.
_LOOKED_AT = 1e-8


class Records(NamedTuple):
    """Records of one source, in any order: keys (n) int64, distinct, and a table of n rows."""

    keys: np.ndarray
    table: pa.Table

    def take(self, positions: np.ndarray) -> Records:
        return Records(self.keys[positions], self.table.take(positions))


class Fields(NamedTuple):
    """What two sources can be compared by: the columns of text they both have, and pairs of codes.

    ``agreement`` says of each text how often two records agree in it by chance; codes are named as a
    blocker's field, such as ``photo/code~title/code``.
    """

    texts: list[str]
    agreement: list[float]
    codes: list[str]


class Prepared(NamedTuple):
    """What a blocker keeps of n records: their keys, what it made of the columns it reads, their marks.

    ``marks`` (n) int64 are None where the blocker has none, or where they are not known yet.
    """

    keys: np.ndarray
    made: Any
    marks: np.ndarray | None = None


class RecordBlocker(Method):
    """Proposes candidate pairs of records."""

    #: Whether its records carry a mark, which depends on all records of both sides. Otherwise whether a pair
    #: is a candidate depends on its two records and the fitted state alone.
    marked: ClassVar[bool] = False
    #: The mark of a record that finds no other to be compared with.
    unmarked: ClassVar[int] = 0
    #: Whether (a, b) is a candidate wherever (b, a) is: only then can a source be joined with itself.
    symmetric: bool = True

    @abstractmethod
    def columns(self, side: Side, available: Sequence[str]) -> list[str]:
        """The columns that it reads of one side; ``available`` are the columns of text that there are."""

    @property
    def fitted(self) -> bool:
        return True

    def fit(self, left: Records, right: Records) -> Self:
        """Learn from records of both sides, all of them or a sample; most blockers have nothing to learn."""
        return self

    @abstractmethod
    def prepare(self, side: Side, records: Records, marks: np.ndarray | None = None) -> Prepared:
        """What it needs to know of these records, worked out once for each."""

    def marks(self, left: Prepared, right: Prepared) -> tuple[np.ndarray, np.ndarray]:
        """The marks of all records of either side, where they have any: (n) and (m) int64."""
        raise NotImplementedError(f"{type(self).__name__} has no marks")

    def destinations(self, side: Side, records: Prepared, partitions: int) -> np.ndarray:
        """Where records of one side must be for their pairs to be found: (n, partitions) bool.

        Unless a blocker knows better, the partitions form a grid as in ``Scan``: every left record meets
        every right one in just one of them.
        """
        return reached_in_grid(side, records.keys, partitions)

    def local_pairs(
        self, left: Prepared, right: Prepared, partition: int, partitions: int
    ) -> Iterator[Pairs]:
        """The candidate pairs that ``partition`` is in charge of, in tiles of bounded size, each once.

        It holds at least the records whose ``destinations`` name it; further ones change nothing.
        """
        mine, theirs = cell(left.keys, right.keys, partition, partitions)
        a, b = self.take(left, mine), self.take(right, theirs)
        for i, j in self.pairs(a, b):
            yield mine[i], theirs[j]

    @abstractmethod
    def pairs(self, left: Prepared, right: Prepared) -> Iterator[Pairs]:
        """All candidate pairs of these records, each once, in tiles of bounded size."""

    @abstractmethod
    def meets(self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Whether left records i (p) and right records j (p) are candidate pairs: (p) bool."""

    def take(self, records: Prepared, positions: np.ndarray) -> Prepared:
        """Some of the records, prepared."""
        marks = None if records.marks is None else records.marks[positions]
        return Prepared(records.keys[positions], records.made[positions], marks)

    @classmethod
    def options(cls, fields: Fields) -> list[Self]:
        """The blockers of this kind that are worth a try on two sources of these fields."""
        return []

    def looked_at(self, left: Prepared, right: Prepared) -> int:
        """The pairs that are looked at before the candidates are known, if these are all records."""
        return 0

    def search_seconds(self, left: Prepared, right: Prepared, growth: float) -> float:
        """Predicted seconds of one core to find the candidates of ``growth`` times as many pairs."""
        return self.looked_at(left, right) * growth * _LOOKED_AT

    def thinned(self, share: float) -> Self:
        """A blocker that does to such a share of the records what this one does to all of them.

        Among a tenth of the records, the tenth part of the neighbours are as near as all of them.
        """
        return self


def sides_of(field: str) -> tuple[str, str]:
    """The column of the left and of the right source that a field of a blocker names.

    >>> sides_of("title"), sides_of("photo/code~title/code")
    (('title', 'title'), ('photo/code', 'title/code'))
    """
    left, _, right = field.partition("~")
    return left, right or left


def column_of(side: Side, field: str) -> str:
    return sides_of(field)[side == "right"]


def text_columns(table: pa.Table) -> list[str]:
    """The fields among the columns of these records that are text."""
    import pyarrow as pa

    text = (pa.types.is_string, pa.types.is_large_string)
    return [
        field.name
        for field in table.schema
        if field.name not in (KEY, SOURCE) and any(of(field.type) for of in text)
    ]


def check_columns(wanted: Sequence[str], there: Sequence[str]) -> None:
    """A ConfigError where a blocker wants a column that the records do not have."""
    missing = [column for column in wanted if column not in there]
    if missing:
        raise ConfigError(
            f"blocking: the records have no column of text {missing[0]!r}; name one of "
            + ", ".join(sorted(there))
        )
