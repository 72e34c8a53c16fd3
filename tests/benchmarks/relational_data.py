"""Tables of records with known matches: the whole ones, and the field's splits of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

#: Set -> files of the left and the right source, and of the truth; one source is compared with itself.
WHOLE = {
    "abt_buy": ("abtclean.csv", "buyclean.csv", "gtclean.csv", "|", True),
    "dblp_acm": ("dblpclean.csv", "acmclean.csv", "gtclean.csv", "%", True),
    "cora": ("cora.csv", "cora.csv", "cora_gt.csv", "|", False),
}
#: Columns that name records, or their entities.
KEYS = ("id", "Entity Id", "class")
PARTS = ("train", "valid", "test")
#: The share of a column's values that are numbers, from which on it counts as one of numbers.
NUMBERS = 0.9


class Tables(NamedTuple):
    """Two sources, their fields' columns by name, and pairs of row numbers (p, 2) that match.

    ``once``: each source names each thing once. Where not, the two are one source.
    """

    name: str
    left: dict[str, np.ndarray]
    right: dict[str, np.ndarray]
    matches: np.ndarray
    once: bool

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.left["record"]), len(self.right["record"])

    def types(self) -> dict[str, str]:
        """The type of each field, by one rule for all sets."""
        return {
            name: "number" if _of_numbers(np.concatenate([self.left[name], self.right[name]])) else "text"
            for name in self.left
        }

    def flat(self, pairs: np.ndarray) -> np.ndarray:
        """One number for each pair (p, 2) of rows."""
        return pairs[:, 0] * self.shape[1] + pairs[:, 1]


class Split(NamedTuple):
    """Pairs of rows (p, 2) and their truth (p,), by part."""

    tables: Tables
    pairs: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]


def whole_tables(folder: Path) -> Iterator[Tables]:
    for name, (left, right, truth, separator, once) in WHOLE.items():
        tables = [_read(folder / name / file, separator) for file in (left, right)]
        keys = [table.iloc[:, 0] for table in tables]
        pairs = _read(folder / name / truth, separator, header=0 if once else None)
        rows = np.stack([_rows(keys[side], pairs.iloc[:, side]) for side in (0, 1)], axis=1)
        if not once:
            rows = np.unique(np.sort(rows[rows[:, 0] != rows[:, 1]], axis=1), axis=0)
        yield Tables(name, _fields(tables[0]), _fields(tables[1]), rows, once)


def splits(folder: Path) -> Iterator[Split]:
    for place in sorted((folder / "splits").iterdir()):
        left, right = _read(place / "tableA.csv"), _read(place / "tableB.csv")
        parts = {part: _read(place / f"{part}.csv") for part in PARTS}
        pairs = {
            part: np.stack(
                [_rows(left["id"], table["ltable_id"]), _rows(right["id"], table["rtable_id"])], axis=1
            )
            for part, table in parts.items()
        }
        truth = {part: table["label"].to_numpy().astype(float) for part, table in parts.items()}
        matches = np.concatenate([pairs[part][truth[part] == 1] for part in PARTS])
        tables = Tables(place.name, _fields(left), _fields(right), matches, True)
        yield Split(tables, pairs, truth)


def _read(path: Path, separator: str = ",", header: int | None = 0) -> pd.DataFrame:
    return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, header=header)


def _rows(keys: pd.Series, wanted: pd.Series) -> np.ndarray:
    return pd.Index(keys).get_indexer(pd.Index(wanted))


def _fields(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """The columns with None where a value is missing, and ``record``, all of a record as one text."""
    table = table[[name for name in table if name not in KEYS and not name.startswith("Unnamed")]]
    fields = {name: np.array([value.strip() or None for value in table[name]], object) for name in table}
    record = np.array([" ".join(values).strip() or None for values in table.to_numpy()], object)
    return {**fields, "record": record}


def _of_numbers(column: np.ndarray) -> bool:
    numbers = pd.to_numeric(pd.Series([value for value in column if value is not None]), errors="coerce")
    return bool(numbers.notna().mean() >= NUMBERS)
