"""What training reads: labelled items and their vectors, at pinned versions, through petastorm."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.steps.known import labelled, noted
from xmer_spark.steps.train.items import ItemTable, Sources

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Job

log = logging.getLogger(__name__)

#: (modality, identity) of every extractor, in the order in which vectors are joined.
Extractors = Sequence[Sequence[str]]


@dataclass(frozen=True)
class TrainingData:
    """The labelled items by modality, their sources, and the widths of what their vectors are joined from."""

    items: dict[str, ItemTable]
    sources: Sources
    widths: dict[str, dict[str, int]]
    left_out: int

    @property
    def count(self) -> int:
        return sum(len(table.keys) for table in self.items.values())


def load(job: Job, extractors: Extractors) -> TrainingData:
    """The labelled items, at most ``train.max_items`` of them, with the vectors of all extractors.

    An item that lacks a vector is left out; how many were is counted. A modality without labelled items is
    left out with a warning.
    """
    from xmer_spark.store import vectors as store

    items = job.read("items")
    frame, left_out = _sample(job, items, extractors)
    keys = {modality: np.sort(rows["item_key"].to_numpy()) for modality, rows in frame.groupby("modality")}
    for modality in sorted({modality for modality, _ in extractors} - set(keys)):
        log.warning("train: no labelled item of modality %s has its features: it is not compared", modality)
    widths: dict[str, dict[str, int]] = {}
    parts: dict[str, list[np.ndarray]] = {}
    for modality, identity in extractors:
        if modality in keys:
            condition = f"extractor = '{identity}'"
            files, rows = job.context.warehouse.files("features", job.inputs["features"], condition)
            _, vectors = store.read_vectors(files, rows, keys[modality])
            parts.setdefault(modality, []).append(vectors)
            widths.setdefault(modality, {})[identity] = vectors.shape[1]
    tables = {modality: _table(frame, keys[modality], np.hstack(found)) for modality, found in parts.items()}
    return TrainingData(tables, _sources(job, frame, noted(job.context)["sources"]), widths, left_out)


def _sources(job: Job, frame: pd.DataFrame, sizes: Mapping[str, int]) -> Sources:
    """The sources of the items of ``frame``, in the order of their numbers there."""
    names = sorted(frame["source"].unique())
    known = {source.name: source for source in job.context.config.source}
    return Sources(
        names,
        {name: known[name].modality for name in names},
        np.array([known[name].one_per_entity for name in names]),
        sizes,
    )


def example(job: Job) -> pd.DataFrame:
    """One raw item as the registered model takes it, of the content that JSON can hold best."""
    rows = labelled(job.read("items"))
    for content in ("text", "vector", "image"):
        found: pd.DataFrame = (
            rows.where(f"{content} IS NOT NULL")
            .orderBy("item_id")
            .select("modality", content)
            .limit(1)
            .toPandas()
        )
        if len(found):
            return found
    raise XmerError("train: no labelled item has any content")


def _sample(job: Job, items: DataFrame, extractors: Extractors) -> tuple[pd.DataFrame, int]:
    """The items' metadata in the order of their keys, and how many were left out.

    Of too many, those of the entities that hash lowest are taken.
    """
    from pyspark.sql import functions as F

    limit = job.context.config.train.max_items
    known = labelled(items).select("item_key", "source", "modality", "entity", "label", "split")
    usable = known.join(_complete(job, extractors), ["item_key", "modality"], "left_semi")
    drawn = usable.withColumn("draw", F.xxhash64("entity")).orderBy("draw", "item_key").limit(limit)
    frame: pd.DataFrame = drawn.drop("draw").toPandas()
    if not len(frame):
        raise XmerError("train: no item has an entity, a split of train or validation, and its features")
    for column in ("entity", "label"):
        frame[f"{column}_code"] = frame[column].astype("category").cat.codes.astype(np.int64)
    frame["source_code"] = frame["source"].astype("category").cat.codes.astype(np.int64)
    return frame.sort_values("item_key", ignore_index=True), noted(job.context)["labelled"] - len(frame)


def _complete(job: Job, extractors: Extractors) -> DataFrame:
    """The items that have a vector of every extractor of their modality."""
    from pyspark.sql import functions as F

    wanted = Counter(modality for modality, _ in extractors)
    found = (
        job.read("features")
        .where(F.col("extractor").isin([identity for _, identity in extractors]))
        .groupBy("item_key", "modality")
        .agg(F.count("*").alias("found"))
    )
    needed = [
        (F.col("modality") == modality) & (F.col("found") == count) for modality, count in wanted.items()
    ]
    return found.where(reduce(lambda a, b: a | b, needed))


def _table(frame: pd.DataFrame, keys: np.ndarray, vectors: np.ndarray) -> ItemTable:
    known = frame.set_index("item_key").loc[keys]
    return ItemTable(
        keys,
        vectors,
        known["entity_code"].to_numpy(),
        known["label_code"].to_numpy(),
        known["source_code"].to_numpy(),
        (known["split"] == "validation").to_numpy(),
    )
