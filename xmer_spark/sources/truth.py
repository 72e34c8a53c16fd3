"""Pairs of keys that are the same thing -> entities: the connected components of the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from xmer_spark.config import Ingest, Truth
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place, place
from xmer_spark.numerics.components import components
from xmer_spark.sources.delimited import find_layout, read_rows
from xmer_spark.sources.records import Refusal, bytes_of
from xmer_spark.sources.strings import read_strings

#: Pairs that the driver puts together: some 10 GB of memory.
MOST_PAIRS = 50_000_000


def entities(truths: Sequence[Truth], limits: Ingest, root: Path) -> pa.Table:
    """The entity of every record that a pair names: columns record_id and entity, sorted by record_id.

    An entity is called by the least id of its records. A ConfigError names a file that is not there, a row
    that cannot be read, and more pairs than ``MOST_PAIRS``.
    """
    pairs = [read_pairs(truth, limits, root) for truth in truths]
    left, right = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    if len(left) > MOST_PAIRS:
        raise ConfigError(
            f"truth: {len(left):,} pairs, where {MOST_PAIRS:,} are put together at most; "
            f"give the entities in a column instead"
        )
    ids, numbers = np.unique(np.concatenate([left, right]), return_inverse=True)
    found = components(len(ids), numbers.reshape(2, -1).T)
    return pa.table({"record_id": pa.array(ids, pa.string()), "entity": pa.array(ids[found], pa.string())})


def read_pairs(truth: Truth, limits: Ingest, root: Path) -> tuple[np.ndarray, np.ndarray]:
    """The record ids (n) on the left and on the right of a file's pairs; keys are tidied as records' are."""
    path = locate(truth, root)
    layout = find_layout(path, "truth", [truth.left, truth.right], truth.columns, truth.separator)
    left, right = layout.columns.index(truth.left), layout.columns.index(truth.right)
    keys: tuple[list[str], list[str]] = ([], [])
    for line, values in read_rows(path, layout, limits.max_file_bytes):
        if isinstance(values, Refusal):
            raise ConfigError(f"truth: {path}, line {line}: {values.detail}")
        keys[0].append(values[left])
        keys[1].append(values[right])
    return _ids(truth.left_source, keys[0], limits), _ids(truth.right_source, keys[1], limits)


def locate(truth: Truth, root: Path) -> Place:
    """The file of the pairs, local or at a URL; relative paths are relative to ``root``."""
    path = place(truth.path, root)
    if not path.is_file():
        raise ConfigError(f"truth: path: there is no {path}")
    return path


def _ids(source: str, keys: list[str], limits: Ingest) -> np.ndarray:
    tidy = read_strings(bytes_of(keys), limits.null_values).tidy
    if tidy.null_count:
        raise ConfigError(f"truth: {tidy.null_count} pairs have no key of {source}")
    return np.array([f"{source}/{key}" for key in tidy.to_pylist()], dtype=object)
