"""Labelled items and their vectors out of a warehouse's published tables, without Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from xmer_spark import spaces
from xmer_spark.steps.benchmark.data import Extractors, Views
from xmer_spark.steps.train.items import ItemTable, true_pairs
from xmer_spark.store.published import Published

Tables = dict[str, ItemTable]

#: What is kept of an item as numbers, in the order of an item table.
NUMBERED = ("source", "record_key", "field", "entity", "label")


def read(warehouse: str, extractors: Extractors, sources: Sequence[str] = ()) -> Views:
    """The known and the test items that have all these extractors' vectors; of ``sources``, or of all."""
    published = Published(warehouse)
    items = published.query(
        "SELECT item_key, modality, field, record_key, source, entity, label, split "
        "FROM items JOIN records USING (record_key) WHERE split IS NOT NULL ORDER BY item_key"
    )
    frame = items.to_pandas()
    for name in NUMBERED:
        frame[f"{name}_number"] = frame[name].astype("category").cat.codes.astype(np.int64)
    if sources:
        frame = frame[frame["source"].isin(sources)]
    known, test, widths = {}, {}, {}
    for modality, names in extractors.items():
        found = {name: _vectors(published, modality, name) for name in names}
        rows = frame[frame["modality"] == modality]
        for keys, _ in found.values():
            rows = rows[rows["item_key"].isin(keys)]
        table = _table(rows, found)
        widths[modality] = {name: vectors.shape[1] for name, (_, vectors) in found.items()}
        known[modality] = table.where((rows["split"] != "test").to_numpy())
        test[modality] = table.where((rows["split"] == "test").to_numpy())
    return Views(known, test, widths)


def _vectors(published: Published, modality: str, extractor: str) -> tuple[np.ndarray, np.ndarray]:
    """Keys, ascending, and vectors of one extractor."""
    rows = published.query(
        "SELECT item_key, vector FROM features WHERE modality = $1 AND split_part(extractor, '-v', 1) = $2 "
        "ORDER BY item_key",
        [modality, extractor],
    )
    keys = rows["item_key"].to_numpy()
    vectors: np.ndarray = rows["vector"].combine_chunks().flatten().to_numpy()
    return keys, vectors.reshape(len(keys), -1).astype(np.float32)


def _table(rows: pd.DataFrame, found: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> ItemTable:
    keys = rows["item_key"].to_numpy()
    parts = [vectors[np.searchsorted(own, keys)] for own, vectors in found.values()]
    source, row, field, entity, label = (rows[f"{name}_number"].to_numpy() for name in NUMBERED)
    validation = (rows["split"] == "validation").to_numpy()
    return ItemTable(np.hstack(parts), source, row, field, entity, label, validation)


def parted(views: Views) -> dict[str, tuple[Tables, Tables]]:
    """What is learnt from and what is ranked: for choosing parameters, and for the final figures."""
    train, held_out = (
        {m: t.where(t.validation == wanted) for m, t in views.known.items()} for wanted in (False, True)
    )
    return {"validation": (train, held_out), "test": (views.known, views.test)}


def placed(
    train: Tables, test: Tables, method: str, parameters: Mapping[str, Any] | None
) -> tuple[Tables, Tables]:
    """Both in the common space that was fitted on the first."""
    space = spaces.REGISTRY.build(method, parameters).fit(vectors(train), labels(train), true_pairs(train))
    inside, outside = (
        {m: replace(t, vectors=space.transform(m, t.vectors)) for m, t in tables.items()}
        for tables in (train, test)
    )
    return inside, outside


def vectors(tables: Tables) -> dict[str, np.ndarray]:
    return {m: t.vectors for m, t in tables.items()}


def labels(tables: Tables) -> dict[str, np.ndarray]:
    return {m: t.label for m, t in tables.items()}
