"""What training knows: the labelled items of each modality, their sources, and their true pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from xmer_spark.names import pair_name
from xmer_spark.numerics.compared import compared, equal_pairs, possible_pairs, source_pairs


@dataclass(frozen=True)
class ItemTable:
    """The labelled items of one modality: joined vectors (n, d) and, aligned with them, what is known.

    ``entity``, ``label`` and ``source`` are numbers, label -1 where unknown; ``validation`` marks the split.
    """

    keys: np.ndarray
    vectors: np.ndarray
    entity: np.ndarray
    label: np.ndarray
    source: np.ndarray
    validation: np.ndarray

    def where(self, rows: np.ndarray) -> ItemTable:
        return ItemTable(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


Items = Mapping[str, ItemTable]


@dataclass(frozen=True)
class Sources:
    """The sources by number: name, modality, whether each thing is in it once, and how many items it has.

    ``sizes`` counts all items that will be resolved, known or not; training may see only some of them.
    """

    names: list[str]
    modality: Mapping[str, str]
    alone: np.ndarray
    sizes: Mapping[str, int]

    def compared(self, left: ItemTable, right: ItemTable, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Whether pairs are of sources that are compared: not of one that holds each thing once."""
        return compared(left.source[i], right.source[j], self.alone)

    def size(self, modality: str) -> int:
        return sum(self.sizes[name] for name in self.names if self.modality[name] == modality)

    def possible(self, a: str, b: str) -> float:
        """How many pairs of items of these modalities have sources that are compared."""
        alone = {name for name, once in zip(self.names, self.alone, strict=True) if once}
        return float(possible_pairs(self.sizes, source_pairs(self.modality, alone, [pair_name(a, b)])))

    def growth(self, table: ItemTable) -> np.ndarray:
        """How many items that will be resolved stand behind one of the table, by source."""
        present = np.bincount(table.source, minlength=len(self.names))
        wanted = np.array([self.sizes[name] for name in self.names])
        return np.maximum(wanted / np.maximum(present, 1), 1.0)


def true_pairs(items: Items) -> dict[tuple[str, str], np.ndarray]:
    """Row index pairs (p, 2) of one entity, for every two modalities and within each one."""
    found = {}
    for a, b in combinations_with_replacement(sorted(items), 2):
        i, j = equal_pairs(items[a].entity, items[b].entity)
        keep = i < j if a == b else np.ones(len(i), dtype=bool)
        if keep.any():
            found[a, b] = np.column_stack([i[keep], j[keep]])
    return found
