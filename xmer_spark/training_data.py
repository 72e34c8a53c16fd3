"""What training reads: labelled items and their vectors, at pinned versions, through petastorm."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.training import ItemTable

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

    from xmer_spark.job import Context, Job

log = logging.getLogger(__name__)

#: (modality, identity) of every extractor, in the order in which vectors are joined.
Extractors = Sequence[Sequence[str]]


@dataclass(frozen=True)
class TrainingData:
    """The labelled items by modality; ``widths`` is modality -> extractor -> columns."""

    items: dict[str, ItemTable]
    widths: dict[str, dict[str, int]]
    sources: list[str]
    population: dict[str, int]


def labelled(items: DataFrame) -> DataFrame:
    return items.where("split IN ('train', 'validation') AND entity IS NOT NULL")


def digest(context: Context, extractors: Extractors) -> list[object]:
    """What a model depends on, so that new items without truth do not make a new model.

    The labelled items and their content, the extractors, and the number of items of each source.
    """
    from pyspark.sql import functions as F

    run = context.last_run("ingest")
    items = context.warehouse.read("items", run.outputs["items"])
    content = F.xxhash64("item_id", "content_hash", "entity", "label", "split")
    # A sum does not depend on the order of rows; decimals do not overflow.
    total = labelled(items).agg(F.sum(content.cast("decimal(38,0)")), F.count("*")).first()
    assert total is not None
    return [str(total[0]), total[1], sorted(population(items).items()), [list(e) for e in extractors]]


def population(items: DataFrame) -> dict[str, int]:
    return {row["source"]: row["count"] for row in items.groupBy("source").count().collect()}


def load(job: Job, extractors: Extractors) -> TrainingData:
    """The labelled items, at most ``train.max_items`` of them, with the vectors of all extractors.

    An item that lacks a vector is left out; both numbers are recorded.
    """
    from xmer_spark import loaders

    items = job.read("items")
    frame = _sample(job, labelled(items))
    keys = np.sort(frame["item_key"].to_numpy())
    widths: dict[str, dict[str, int]] = {}
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for modality, identity in extractors:
        files, rows = job.context.warehouse.files(
            "features", job.inputs["features"], f"extractor = '{identity}'"
        )
        vectors = loaders.read_vectors(files, rows, keys)
        found.setdefault(modality, []).append(vectors)
        widths.setdefault(modality, {})[identity] = vectors[1].shape[1]
    tables = {modality: _table(frame, parts) for modality, parts in found.items()}
    used = sum(len(table.keys) for table in tables.values())
    job.counts |= {"training_items": used, "without_vectors": len(frame) - used}
    return TrainingData(tables, widths, sorted(frame["source"].unique()), population(items))


def _sample(job: Job, items: DataFrame) -> pd.DataFrame:
    """The items' metadata; of too many, those of the entities that hash lowest."""
    from pyspark.sql import functions as F

    limit = job.context.config.train.max_items
    columns = items.select("item_key", "source", "modality", "entity", "label", "split")
    drawn = columns.withColumn("draw", F.xxhash64("entity")).orderBy("draw", "item_key").limit(limit)
    frame: pd.DataFrame = drawn.drop("draw").toPandas()
    total = items.count()
    if not len(frame):
        raise XmerError("train: no item has both an entity and a split of train or validation")
    job.counts["left_out_of_training"] = total - len(frame)
    for column in ("entity", "label"):
        codes = frame[column].astype("category").cat.codes
        frame[f"{column}_code"] = codes.astype(np.int64)
    names = sorted(frame["source"].unique())
    frame["source_code"] = frame["source"].map({name: i for i, name in enumerate(names)})
    return frame.sort_values("item_key", ignore_index=True)


def _table(frame: pd.DataFrame, parts: list[tuple[np.ndarray, np.ndarray]]) -> ItemTable:
    """The items that every extractor has a vector of, in the order of their keys."""
    keys = parts[0][0]
    for other, _ in parts[1:]:
        keys = np.intersect1d(keys, other, assume_unique=True)
    vectors = np.hstack([x[np.searchsorted(k, keys)] for k, x in parts])
    known = frame.set_index("item_key").loc[keys]
    return ItemTable(
        keys,
        vectors,
        known["entity_code"].to_numpy(),
        known["label_code"].to_numpy(),
        known["source_code"].to_numpy(),
        (known["split"] == "validation").to_numpy(),
    )
