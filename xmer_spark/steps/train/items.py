"""What training knows: records of each source with their truth, and the items of each modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations_with_replacement

import numpy as np

from xmer_spark.numerics.compared import equal_pairs, possible_pairs
from xmer_spark.numerics.records import Records


@dataclass(frozen=True)
class Known:
    """The records of one source, and aligned with them (n) what is known of them.

    ``entity`` and ``label`` are numbers, the label -1 where unknown; ``validation`` marks the split.
    """

    records: Records
    entity: np.ndarray
    label: np.ndarray
    validation: np.ndarray

    def __len__(self) -> int:
        return len(self.records)

    def where(self, rows: np.ndarray) -> Known:
        found = (self.entity[rows], self.label[rows], self.validation[rows])
        return Known(self.records.where(rows), *found)


@dataclass(frozen=True)
class ItemTable:
    """The items of one modality: joined vectors (n, d) and, aligned with them, whose they are.

    ``source`` is a number, ``row`` the place among that source's records, ``field`` a number; the truth is
    that of the records.
    """

    vectors: np.ndarray
    source: np.ndarray
    row: np.ndarray
    field: np.ndarray
    entity: np.ndarray
    label: np.ndarray
    validation: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)

    def where(self, rows: np.ndarray) -> ItemTable:
        return ItemTable(*(getattr(self, field.name)[rows] for field in fields(self)))

    def of_records(self, values: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
        """What each item's record has of ``values``, given by source with a row per record: (n)."""
        starts = np.cumsum([0, *(len(values[name]) for name in names)])
        found: np.ndarray = np.concatenate([values[name] for name in names])[starts[self.source] + self.row]
        return found


Items = Mapping[str, ItemTable]


@dataclass(frozen=True)
class Sources:
    """The sources and content fields by number, which of them are compared, and how many records they have.

    ``sizes`` counts all records that will be resolved, known or not; training may see only some of them.
    """

    names: list[str]
    fields: list[str]
    pairs: list[tuple[str, str]]
    alone: frozenset[str]
    sizes: Mapping[str, int]

    def themselves(self) -> Sources:
        """The same with none compared but those that are compared with themselves."""
        return replace(self, pairs=[(a, b) for a, b in self.pairs if a == b])

    def possible(self, pair: tuple[str, str]) -> int:
        """How many pairs of records two sources have."""
        return possible_pairs(self.sizes, [pair])

    def growth(self, source: str, present: int) -> float:
        """How many records that will be resolved stand behind one of ``present``."""
        return max(self.sizes.get(source, 0) / max(present, 1), 1.0)


def true_pairs(items: Items) -> dict[tuple[str, str], np.ndarray]:
    """Row index pairs (p, 2) of items of one entity, for every two modalities and within each one.

    Two texts of one record are fields that mean different things, and no pair; its picture and its text are.
    """
    found = {}
    for a, b in combinations_with_replacement(sorted(items), 2):
        left, right = items[a], items[b]
        i, j = equal_pairs(left.entity, right.entity)
        keep = np.ones(len(i), dtype=bool)
        if a == b:
            keep = (i < j) & ((left.source[i] != left.source[j]) | (left.row[i] != left.row[j]))
        if keep.any():
            found[a, b] = np.column_stack([i[keep], j[keep]])
    return found
