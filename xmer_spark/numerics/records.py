"""Records as columns: what blocking and comparing see of them, a row per record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

#: Suffixes of the columns of a content field: its place in the common space, and its binary code.
EMBEDDING, CODE = "/embedding", "/code"


@dataclass(frozen=True)
class Records:
    """Records of one source: their keys (n), and columns by name, a row per record.

    A text or scalar field is an array (n) of strings, None where it is missing. A content field has
    ``<field>/embedding`` (n, k) float32, NaN where there is none, and ``<field>/code`` (n, words) uint64,
    which says nothing where there is no embedding.
    """

    source: str
    keys: np.ndarray
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.keys)

    def where(self, rows: np.ndarray) -> Records:
        """Some of the records: a mask or row numbers."""
        chosen = {name: values[rows] for name, values in self.columns.items()}
        return Records(self.source, self.keys[rows], chosen)

    def present(self, column: str) -> np.ndarray:
        """Whether each record has a value in a column (n); a column that the source lacks has none."""
        values = self.columns.get(column.replace(CODE, EMBEDDING))
        if values is None:
            return np.zeros(len(self), dtype=bool)
        found: np.ndarray = ~np.isnan(values[:, 0]) if values.ndim == 2 else values != np.array(None)
        return found
