"""A data set of the benchmark: from its pipeline's tables to arrays in a folder, for processes to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.config import Config, document_hash, load_config
from xmer_spark.errors import XmerError
from xmer_spark.schema import MODALITIES, SPLITS
from xmer_spark.steps.train.items import ItemTable
from xmer_spark.store import vectors as loaders

if TYPE_CHECKING:
    import pandas as pd

    from xmer_spark.config import BenchmarkData
    from xmer_spark.store.runs import Context

#: Extractor names by modality: what a feature setting asks for.
Extractors = Mapping[str, Sequence[str]]

_ITEMS = "items.npz"
#: What is known of an item, kept as numbers; ``row`` is its record.
_NUMBERED = ("source", "row", "field", "entity", "label")


@dataclass(frozen=True)
class DataSet:
    """A data set's arrays in a folder; ``digest`` changes when its items or what is known of them do.

    ``identities`` are the extractors', by modality and name; ``relevance`` is what makes a result
    """

    folder: Path
    digest: str
    identities: dict[tuple[str, str], str]
    relevance: str
    sources: tuple[int, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Views:
    """The items under one feature setting: to learn from, some of them as validation, and to test."""

    known: dict[str, ItemTable]
    test: dict[str, ItemTable]
    widths: dict[str, dict[str, int]]


def pipeline(config: Config, data: BenchmarkData) -> Config:
    """The data set's own configuration, with all extractors that its feature settings need.

    Its tables are kept beside the benchmark's, so that no resolver is trained on these extractors.
    """
    pipelines = load_config(data.config)
    wanted: dict[str, list[str]] = {
        modality: list(dict.fromkeys(name for f in data.features for name in getattr(f, modality)))
        for modality in MODALITIES
    }
    extract = pipelines.extract.model_copy(
        update={**wanted, "parameters": {**pipelines.extract.parameters, **data.extract}}
    )
    warehouse = config.warehouse.model_copy(update={"path": f"{config.warehouse.path}/data/{data.name}"})
    return pipelines.model_copy(update={"extract": extract, "warehouse": warehouse, "spark": config.spark})


def read(context: Context, sources: Sequence[str], folder: Path) -> DataSet:
    """Write the published items of records that have a split, and all their vectors, into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = _items(context)
    unknown = set(sources) - set(frame["source"])
    if unknown:
        raise XmerError(f"benchmark: no items of source {', '.join(sorted(unknown))}")
    extractors: list[list[str]] = context.last_run("extract").facts["extractors"]
    for modality, identity in extractors:
        frame = _write_vectors(context, frame, modality, identity, folder)
    numbers = {name: frame[name].astype("category") for name in _NUMBERED}
    columns = {name: column.cat.codes.to_numpy().astype(np.int64) for name, column in numbers.items()}
    columns["key"] = frame["item_key"].to_numpy()
    columns["split"] = frame["split"].map(SPLITS.index).to_numpy()
    columns["modality"] = frame["modality"].to_numpy().astype(str)
    np.savez(folder / _ITEMS, allow_pickle=False, **columns)
    places = {str(name): i for i, name in enumerate(numbers["source"].cat.categories)}
    by_class = context.config.evaluation.task == "class"
    return DataSet(
        folder,
        document_hash(frame.drop(columns=["item_key", "row"]).to_numpy().tolist()),
        {(modality, name_of(identity)): identity for modality, identity in extractors},
        "label" if by_class else "entity",
        tuple(sorted(places[name] for name in sources or places)),
        tuple(numbers["field"].cat.categories),
    )


def name_of(identity: str) -> str:
    """An extractor's name.

    >>> name_of("efficientnet-v1-56f3fd31cc40")
    'efficientnet'
    """
    return identity.split("-v")[0]


def _items(context: Context) -> pd.DataFrame:
    """What is known about the items of records that have a split, in the order of their keys."""
    versions = context.last_run("ingest").outputs
    records = context.warehouse.read("records", versions["records"]).where("split IS NOT NULL")
    truth = records.select("record_key", "source", "entity", "label", "split")
    items = context.warehouse.read("items", versions["items"])
    known = items.select("item_key", "item_id", "content_hash", "modality", "field", "record_key")
    frame: pd.DataFrame = known.join(truth, "record_key").toPandas()
    frame = frame.rename(columns={"record_key": "row"})
    return frame.sort_values("item_key", ignore_index=True)


def _write_vectors(
    context: Context, frame: pd.DataFrame, modality: str, identity: str, folder: Path
) -> pd.DataFrame:
    """Write one extractor's keys and vectors; returns the items without those that it has no vector of."""
    version = context.last_run("extract").outputs["features"]
    files, rows = context.warehouse.files("features", version, f"extractor = '{identity}'")
    keys, vectors = loaders.read_vectors(files, rows)
    name = name_of(identity)
    np.save(folder / f"{modality}-{name}.npy", vectors)
    np.save(folder / f"{modality}-{name}-keys.npy", keys)
    return frame[(frame["modality"] != modality) | frame["item_key"].isin(keys)]


def views(data: DataSet, extractors: Extractors) -> Views:
    """The data set's items under one feature setting."""
    items = dict(np.load(data.folder / _ITEMS))
    known, test, widths = {}, {}, {}
    for modality, names in extractors.items():
        rows = {name: values[items["modality"] == modality] for name, values in items.items()}
        parts = [_vectors(data.folder / f"{modality}-{name}", rows["key"]) for name in names]
        widths[modality] = {name: part.shape[1] for name, part in zip(names, parts, strict=True)}
        table = ItemTable(
            np.hstack(parts),
            **{name: rows[name] for name in _NUMBERED},
            validation=rows["split"] == SPLITS.index("validation"),
        )
        held_out = rows["split"] == SPLITS.index("test")
        known[modality] = table.where(~held_out)
        test[modality] = table.where(held_out & np.isin(rows["source"], data.sources))
    return Views(known, test, widths)


def _vectors(path: Path, keys: np.ndarray) -> np.ndarray:
    places = np.searchsorted(np.load(f"{path}-keys.npy"), keys)
    vectors: np.ndarray = np.load(f"{path}.npy", mmap_mode="r")[places]
    return vectors
