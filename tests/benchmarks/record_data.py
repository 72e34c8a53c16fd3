"""Record linkage sets as records: left, right (None for one source with itself), and the true pairs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.blocking.records.base import Records

#: Files of each set: left, right, truth; and what separates their columns.
SETS: dict[str, tuple[str, str | None, str, str]] = {
    "abt_buy": ("abtclean.csv", "buyclean.csv", "gtclean.csv", "|"),
    "dblp_acm": ("dblpclean.csv", "acmclean.csv", "gtclean.csv", "%"),
    "cora": ("cora.csv", None, "cora_gt.csv", "|"),
}

#: Added to the numbers of right records, so that no two have one key.
FIRST_RIGHT = 1_000_000


class Linkage(NamedTuple):
    """Two sources, or one; the true pairs (p, 2) as positions."""

    left: Records
    right: Records | None
    truth: np.ndarray


def read_set(folder: Path, name: str) -> Linkage:
    """One of ``SETS``; the key of a record is its row's number."""
    left_file, right_file, truth_file, separator = SETS[name]
    left = _records(folder / name / left_file, separator, 0)
    right = _records(folder / name / right_file, separator, FIRST_RIGHT) if right_file else None
    names = None if right else ["D1", "D2"]
    truth = pd.read_csv(folder / name / truth_file, sep=separator, names=names).to_numpy(np.int64)
    other, first = (right, FIRST_RIGHT) if right else (left, 0)
    i, j = _places(left, truth[:, 0]), _places(other, truth[:, 1] + first)
    pairs = np.column_stack([i, j])
    return Linkage(left, right, pairs if right else np.sort(pairs, axis=1))


def made_up(count: int, seed: int) -> Records:
    """Rows of names, streets and numbers with words as frequent as in language, some dropped or misspelt."""
    fixed, own = np.random.default_rng(0), np.random.default_rng(seed)
    vocabulary = np.array([f"{word:x}" for word in fixed.integers(2**20, 2**40, 60_000)], object)
    words = np.minimum(fixed.zipf(1.3, (count, 6)), len(vocabulary)) - 1
    number = fixed.integers(0, 10**6, count)
    changed = own.random(words.shape) < 0.1
    words = np.where(changed, own.integers(0, len(vocabulary), words.shape), words)
    lost = own.random(count) < 0.2
    columns = [pa.array(vocabulary[words[:, k]], pa.string()) for k in range(6)]
    name, street = (pc.binary_join_element_wise(*columns[k : k + 3], " ") for k in (0, 3))
    house = pa.array(number.astype(str), pa.string(), mask=lost)
    keys = np.arange(count) + seed * count
    return Records(keys, pa.table({"name": name, "street": street, "house": house}))


def _records(path: Path, separator: str, first_key: int) -> Records:
    rows = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False).replace("", None)
    key = "id" if "id" in rows else "Entity Id"
    fields = [column for column in rows if column != key and not column.startswith("Unnamed")]
    table = pa.table({field: pa.array(rows[field], pa.string()) for field in fields})
    return Records(rows[key].astype(np.int64).to_numpy() + first_key, table)


def _places(records: Records, keys: np.ndarray) -> np.ndarray:
    """The positions of records by their keys."""
    order = np.argsort(records.keys)
    place = order[np.searchsorted(records.keys, keys, sorter=order)]
    if not np.array_equal(records.keys[place], keys):
        raise ValueError("the truth names records that are not there")
    return place
