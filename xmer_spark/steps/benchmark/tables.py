"""A benchmark's tables of rows as what training knows of records whose truth nobody knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.config import BenchmarkTables, Config, Field, Source
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.records import Records
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.items import Known, Sources

if TYPE_CHECKING:
    import pandas as pd

#: The names of the sources; a table that is compared with itself is the first.
_NAMES = ("left", "right")
#: The share of a column's values that are numbers, from which on it counts as one of numbers.
_NUMBERS = 0.9
_SPLITS = ("tableA.csv", "tableB.csv", "train.csv", "valid.csv", "test.csv")


@dataclass(frozen=True)
class Tables:
    """Two sources that name each thing once, or one that does not, and their keys as they are written."""

    config: Config
    data: TrainingData
    keys: Mapping[str, np.ndarray]

    @property
    def pair(self) -> tuple[str, str]:
        """The sources that are compared."""
        return self.data.sources.pairs[0]

    @property
    def deduplicates(self) -> bool:
        return self.pair[0] == self.pair[1]

    def rows(self, written: pd.DataFrame, file: Path | str) -> np.ndarray:
        """Pairs (p, 2) of rows, from two columns of keys; a ConfigError says which keys no record has."""
        import pandas as pd

        sides = [
            pd.Index(self.keys[name]).get_indexer(written.iloc[:, n]) for n, name in enumerate(self.pair)
        ]
        pairs = np.stack(sides, axis=1)
        wrong = np.flatnonzero((pairs < 0).any(axis=1))
        if len(wrong):
            raise ConfigError(f"{file}: no records have the keys {' and '.join(written.iloc[wrong[0], :2])}")
        return pairs

    def flat(self, pairs: np.ndarray) -> np.ndarray:
        """One number for each pair (p, 2) of rows."""
        flat: np.ndarray = pairs[:, 0].astype(np.int64) * len(self.keys[self.pair[1]]) + pairs[:, 1]
        return flat

    def true_pairs(self, file: str, separator: str) -> np.ndarray:
        """The pairs of rows that a file of two columns of keys, with or without a header, says are true."""
        written = read(file, separator, header=None)
        if any(written.iloc[0, n] not in self.keys[name] for n, name in enumerate(self.pair)):
            written = written.iloc[1:]
        pairs = self.rows(written, file)
        if not self.deduplicates:
            return pairs
        pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
        found: np.ndarray = np.unique(pairs, axis=0)
        return found


def files(settings: BenchmarkTables) -> list[Path]:
    """All files that a set is read from: first the tables."""
    if settings.splits:
        return [Path(settings.splits) / name for name in _SPLITS]
    return [Path(name) for name in (settings.left, settings.right, settings.truth) if name]


def tables(settings: BenchmarkTables) -> Tables:
    """The tables of a set, whose first column is the key; a column without any value is left out.

    A column is of numbers where most values are, and else of text: one rule for all sets.
    """
    own = files(settings)[: 2 if settings.splits or settings.right else 1]
    known, keys, types = {}, {}, {}
    first = 0
    for name, file in zip(_NAMES, own, strict=False):
        written = read(file, settings.separator)
        columns = _columns(written.iloc[:, 1:], settings.leave_out)
        types.update({column: _type(values) for column, values in columns.items() if column not in types})
        number = np.arange(len(written)) + first
        nothing = np.full(len(written), -1)
        known[name] = Known(Records(name, number, columns), number, nothing, nothing > 0)
        keys[name] = written.iloc[:, 0].to_numpy()
        first += len(written)
    once = len(own) > 1
    fields = {column: Field(type=kind) for column, kind in types.items()}
    described = [
        Source(name=name, kind="csv", path=str(file), key="id", fields=fields, one_per_entity=once)
        for name, file in zip(_NAMES, own, strict=False)
    ]
    sources = Sources(
        list(known), [], [(_NAMES[0], _NAMES[once])], frozenset(known if once else ()),
        {name: len(each) for name, each in known.items()},
    )  # fmt: skip
    population = [each.records for each in known.values()]
    data = TrainingData(known, {}, sources, {}, 0, False, population)
    return Tables(Config(name=settings.name, source=described), data, keys)


def read(file: Path | str, separator: str, header: int | None = 0) -> pd.DataFrame:
    """A csv file, all of whose values are strings."""
    import pandas as pd

    return pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False, header=header)


def _columns(written: pd.DataFrame, leave_out: list[str]) -> dict[str, np.ndarray]:
    columns = {
        re.sub(r"\W", "_", str(name)): np.array([value.strip() or None for value in written[name]], object)
        for name in written
        if name not in leave_out
    }
    return {name: values for name, values in columns.items() if any(values)}


def _type(values: np.ndarray) -> str:
    import pandas as pd

    numbers = pd.to_numeric(pd.Series(values[values != np.array(None)]), errors="coerce")
    return "number" if numbers.notna().mean() >= _NUMBERS else "text"
