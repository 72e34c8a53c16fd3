"""Records as columns: what blocking and comparing see of them, a row per record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.numerics import arrow

if TYPE_CHECKING:
    import pyarrow as pa

#: Suffixes of the columns of a content field: its place in the common space, what surrounds it there, and its
#: binary code.
EMBEDDING, SURROUNDINGS, CODE = "/embedding", "/surroundings", "/code"
#: Columns that are not a record's own.
_KEY, _SOURCE = "record_key", "source"


@dataclass(frozen=True)
class Records:
    """Records of one source: their keys (n), and columns by name, a row per record.

    A text or scalar field is an array (n) of strings, None where it is missing. A content field has
    ``<field>/embedding`` (n, k) and ``<field>/surroundings`` (n, s), both float32 and NaN where there is
    none, and ``<field>/code`` (n, words) uint64, which says nothing where there is no embedding.
    """

    source: str
    keys: np.ndarray
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of(cls, source: str, table: pa.Table | pa.RecordBatch) -> Records:
        """Described records of one source, from a table with ``record_key`` and these columns as Arrow's.

        Columns in which no record has a value are left out.
        """
        columns = {
            name: _column(table[name])
            for name in table.schema.names
            if name not in (_KEY, _SOURCE) and table[name].null_count < len(table[name])
        }
        return cls(source, table[_KEY].to_numpy(), columns)

    def only(self, field: str) -> Records:
        """The records as if one content field were all that they had, called ``<source>#<field>``."""
        chosen = {name: self.columns[name] for name in columns_of((), (field,)) if name in self.columns}
        return Records(f"{self.source}#{field}", self.keys, chosen)

    def table(self) -> pa.Table:
        """The columns with ``record_key`` as an Arrow table, from which ``of`` makes the same records."""
        import pyarrow as pa

        columns = {_KEY: pa.array(self.keys)}
        for name, values in self.columns.items():
            columns[name] = self._lists(name) if values.ndim == 2 else pa.array(values, pa.string())
        return pa.table(columns)

    def _lists(self, name: str) -> pa.Array:
        """A column of lists, NULL where a record has none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        values = self.columns[name]
        values = values.view(np.int64) if values.dtype == np.uint64 else values
        return pc.if_else(pa.array(self.present(name)), arrow.lists(values), None)

    def where(self, rows: np.ndarray) -> Records:
        """Some of the records: a mask or row numbers."""
        chosen = {name: values[rows] for name, values in self.columns.items()}
        return Records(self.source, self.keys[rows], chosen)

    def present(self, column: str) -> np.ndarray:
        """Whether each record has a value in a column (n); a column that the source lacks has none."""
        values = self.columns.get(column.removesuffix(CODE) + EMBEDDING if column.endswith(CODE) else column)
        if values is None:
            return np.zeros(len(self), dtype=bool)
        found: np.ndarray = ~np.isnan(values[:, 0]) if values.ndim == 2 else values != np.array(None)
        return found


def scattered(rows: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """``values`` at their rows among ``count``; elsewhere NaN, or 0 where they are whole numbers.

    >>> scattered(np.array([2, 0]), np.array([[1.0], [2.0]], np.float32), 3).tolist()
    [[2.0], [nan], [1.0]]
    """
    empty = np.nan if values.dtype.kind == "f" else 0
    found = np.full((count, values.shape[1]), empty, dtype=values.dtype)
    found[rows] = values
    return found


def columns_of(fields: Sequence[str], contents: Sequence[str]) -> list[str]:
    """The columns of records with these text and scalar fields, and these encoded ones.

    >>> columns_of(["title"], ["photo"])
    ['title', 'photo/embedding', 'photo/surroundings', 'photo/code']
    """
    return [*fields, *(f"{name}{suffix}" for name in contents for suffix in (EMBEDDING, SURROUNDINGS, CODE))]


def _column(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_list(column.type):
        return arrow.strings(column)
    rows = np.flatnonzero(pc.is_valid(column).to_numpy(zero_copy_only=False))
    present = column.drop_null()
    whole = pa.types.is_integer(column.type.value_type)
    values = arrow.codes(present) if whole else arrow.matrix(present, np.float32)
    return scattered(rows, values, len(column))
