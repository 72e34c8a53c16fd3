"""Near codes: the blockers of codes, for records that have a column of codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from xmer_spark.blocking import REGISTRY
from xmer_spark.blocking.base import Blocker, Coded, Pairs, Side
from xmer_spark.blocking.records.base import (
    Fields,
    Prepared,
    RecordBlocker,
    Records,
    column_of,
    sides_of,
)
from xmer_spark.errors import ConfigError
from xmer_spark.numerics import arrow

if TYPE_CHECKING:
    import pyarrow as pa


#: From what finds near codes at once to what looks at all of them, for those of two modalities differ much.
_OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *(("radius", {"radius": radius}) for radius in (3, 12)),
    *(("bands", {"tables": tables, "bits": 14, "flips": 1}) for tables in (16, 64)),
    *(("bands", {"tables": 16, "bits": bits, "flips": 1, "max_distance": 0.25}) for bits in (14, 20)),
    *(("cells", {"cells": 256, "probes": probes}) for probes in (4, 16)),
    *(("scan", {"max_distance": share}) for share in (0.25, 0.35, 0.41, 0.44, 0.46, 0.48)),
]


class CodeRows(NamedTuple):
    """Codes (n, words) uint64, zero where a record has none, and which records have one (n) bool."""

    codes: np.ndarray
    there: np.ndarray

    def of(self, positions: np.ndarray) -> CodeRows:
        return CodeRows(self.codes[positions], self.there[positions])


class Codes(RecordBlocker):
    """A pair is a candidate if its codes are one to a blocker of codes: ``method`` with its ``settings``.

    ``field`` names the column of the codes, such as ``photo/code``, or of either side, such as
    ``photo/code~title/code``. A record without a code is not proposed.
    """

    def __init__(
        self, field: str = "", method: str = "radius", settings: Mapping[str, Any] | None = None
    ) -> None:
        self.field = field
        self.method = method
        self.settings = settings

    #: What the blocker of codes was fitted to.
    blocker_: dict[str, Any]
    #: What ``tuned`` found; None is the blocker of codes as it was fitted.
    faster: Blocker | None = None

    @classmethod
    def options(cls, fields: Fields) -> list[Self]:
        return [cls(field, method, settings) for field in fields.codes for method, settings in _OPTIONS]

    @property
    def symmetric(self) -> bool:  # type: ignore[override]
        left, right = sides_of(self.field)
        return left == right

    @property
    def fitted(self) -> bool:
        return hasattr(self, "blocker_")

    def columns(self, side: Side, available: Sequence[str]) -> list[str]:
        return [column_of(side, self.field)]

    def fit(self, left: Records, right: Records) -> Self:
        sides = [self.prepare("left", left).made, self.prepare("right", right).made]
        fitted = self.blocker().fit(*(rows.codes[rows.there] for rows in sides))
        self.blocker_ = fitted.state()
        return self

    def tuned(self, left: Records, right: Records, size: int, partitions: int) -> Self:
        """A blocker of the same candidates that finds them faster among records such as these samples.

        ``size`` is about how many a side has in all.
        """
        (_, a), (_, b) = _coded(self.prepare("left", left)), _coded(self.prepare("right", right))
        if not len(a.keys) or not len(b.keys):
            return self
        other = copy(self)
        other.faster = self.blocker().tuned(a.codes, b.codes, size, partitions)
        return other

    def search_seconds(self, left: Prepared, right: Prepared, growth: float) -> float:
        (_, a), (_, b) = _coded(left), _coded(right)
        if not len(a.keys) or not len(b.keys):
            return 0.0
        return self.blocker().search_seconds(a.codes, b.codes, sqrt(len(a.keys) * len(b.keys) * growth))

    def blocker(self) -> Blocker:
        """The blocker of the codes, as fitted and tuned as this one."""
        if self.faster is not None:
            return self.faster
        blocker: Blocker = REGISTRY.build(self.method, self.settings or {})
        for name, value in getattr(self, "blocker_", {}).items():
            setattr(blocker, name, value)
        return blocker

    def prepare(self, side: Side, records: Records, marks: np.ndarray | None = None) -> Prepared:
        return Prepared(records.keys, code_rows(records.table, column_of(side, self.field)))

    def take(self, records: Prepared, positions: np.ndarray) -> Prepared:
        return Prepared(records.keys[positions], records.made.of(positions))

    def destinations(self, side: Side, records: Prepared, partitions: int) -> np.ndarray:
        rows, coded = _coded(records)
        reached = np.zeros((len(records.keys), partitions), bool)
        if len(rows):
            reached[rows] = self.blocker().destinations(side, *coded, partitions)
        return reached

    def local_pairs(
        self, left: Prepared, right: Prepared, partition: int, partitions: int
    ) -> Iterator[Pairs]:
        (mine, a), (theirs, b) = _coded(left), _coded(right)
        if len(mine) and len(theirs):
            for i, j in self.blocker().local_pairs(a, b, partition, partitions):
                yield mine[i], theirs[j]

    def pairs(self, left: Prepared, right: Prepared) -> Iterator[Pairs]:
        return self.local_pairs(left, right, 0, 1)

    def meets(self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        met = left.made.there[i] & right.made.there[j]
        rows = np.flatnonzero(met)
        if len(rows):
            aligned = np.arange(len(rows))
            codes = left.made.codes[i[rows]], right.made.codes[j[rows]]
            met[rows] = self.blocker().hits(*codes, aligned, aligned)
        return met


def code_rows(table: pa.Table, column: str) -> CodeRows:
    """The codes of the records; where none of them has one, of no words."""
    import pyarrow as pa

    if column not in table.column_names:
        raise ConfigError(f"blocking: the records have no column of codes {column!r}")
    codes = table[column]
    there = codes.is_valid().to_numpy()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    if not there.any():
        return CodeRows(np.zeros((len(there), 0), np.uint64), there)
    present = arrow.codes(codes.drop_null(), f"codes of {column!r}")
    found = np.zeros((len(there), present.shape[1]), np.uint64)
    found[there] = present
    return CodeRows(found, there)


def _coded(records: Prepared) -> tuple[np.ndarray, Coded]:
    """The positions of the records that have a code, and their codes."""
    rows = np.flatnonzero(records.made.there).astype(np.int32)
    return rows, Coded(records.keys[rows], records.made.codes[rows])
