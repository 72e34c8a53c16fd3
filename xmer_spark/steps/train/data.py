"""What training reads: records and their items' vectors, at pinned versions, through petastorm."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.names import side_name
from xmer_spark.numerics.records import Records
from xmer_spark.steps.described import alone, collected, contents, described, source_pairs
from xmer_spark.steps.known import labelled, noted
from xmer_spark.steps.train.items import ItemTable, Known, Sources

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Job

log = logging.getLogger(__name__)

#: (modality, identity) of every extractor, in the order in which vectors are joined.
Extractors = Sequence[Sequence[str]]


@dataclass(frozen=True)
class TrainingData:
    """The records to learn from by source, their items by modality, and how their vectors are made up.

    Where no truth is known (``labelled`` is false) these are records of any split, each an entity of its own.
    ``population`` are fields of any records, by source: from them is learnt what is rare.
    """

    known: dict[str, Known]
    items: dict[str, ItemTable]
    sources: Sources
    widths: dict[str, dict[str, int]]
    left_out: int
    labelled: bool
    population: list[Records]

    @property
    def count(self) -> int:
        return sum(len(known) for known in self.known.values())


def load(job: Job, extractors: Extractors) -> TrainingData:
    """The labelled records, or all where none is, with the vectors of their items.

    At most ``train.max_records`` are taken; how many were left out is counted. An item that lacks a vector is
    left out. A modality without any such item is left out with a warning.
    """
    frame, has_truth, left_out = _drawn(job)
    config = job.context.config
    names = sorted(frame["source"].unique())
    fields = sorted(contents(config))
    sources = Sources(
        names,
        fields,
        [(a, b) for a, b in source_pairs(config) if a in names and b in names],
        frozenset(alone(config)),
        noted(job.context)["sources"],
    )
    known = _known(job, frame, names)
    items, widths = _items(job, extractors, frame, sources)
    population = _population(job) if has_truth else [each.records for each in known.values()]
    data = TrainingData(known, items, sources, widths, left_out, has_truth, population)
    return by_field(data) if config.evaluation.task == "class" else data


def by_field(data: TrainingData) -> TrainingData:
    """The same with each content field of a source as a source of its own.

    Where classes are sought, a record's fields are ranked against those of others, each by itself.
    """
    old = data.sources
    sides = sorted(
        {
            (int(s), int(f))
            for table in data.items.values()
            for s, f in zip(table.source, table.field, strict=True)
        }
    )
    place = {side: number for number, side in enumerate(sides)}
    names = [side_name(old.names[s], old.fields[f]) for s, f in sides]
    known = {}
    for (s, f), name in zip(sides, names, strict=True):
        whole = data.known[old.names[s]]
        known[name] = Known(whole.records.only(old.fields[f]), whole.entity, whole.label, whole.validation)
    items = {}
    for modality, table in data.items.items():
        source = np.array([place[int(s), int(f)] for s, f in zip(table.source, table.field, strict=True)])
        items[modality] = replace(table, source=source)
    sizes = {name: old.sizes[old.names[s]] for (s, _), name in zip(sides, names, strict=True)}
    sources = Sources(names, old.fields, list(combinations(names, 2)), frozenset(), sizes)
    return replace(data, known=known, items=items, sources=sources)


def example(job: Job) -> pd.DataFrame:
    """One raw item as the registered model takes it, of the content that JSON can hold best."""
    items = job.read("items")
    for content in ("text", "vector", "image"):
        found: pd.DataFrame = (
            items.where(f"{content} IS NOT NULL")
            .orderBy("item_id")
            .select("modality", content)
            .limit(1)
            .toPandas()
        )
        if len(found):
            return found
    raise XmerError("train: no item has any content")


def _drawn(job: Job) -> tuple[pd.DataFrame, bool, int]:
    """The records to learn from in the order of source and key, whether their truth is known, what is left.

    Of too many, those of the entities that hash lowest are taken; of unlabelled ones those whose keys do.
    """
    from pyspark.sql import functions as F

    limit = job.context.config.train.max_records
    records = job.read("records").select("record_key", "source", "entity", "label", "split")
    total = noted(job.context)["labelled"]
    has_truth = total > 0
    if not has_truth:
        total = sum(noted(job.context)["sources"].values())
        log.warning("train: no record of split train or validation has an entity: learning without labels")
    chosen = labelled(records) if has_truth else records
    order = F.xxhash64("entity" if has_truth else "record_key")
    drawn = chosen.withColumn("draw", order).orderBy("draw", "record_key").limit(limit)
    frame: pd.DataFrame = drawn.drop("draw").toPandas().sort_values(["source", "record_key"])
    if not len(frame):
        raise XmerError("train: there are no records; the table rejects says what became of the input")
    if not has_truth:  # a class that is known of a test record is no less held back than its entity
        frame["entity"], frame["label"] = frame["record_key"].astype(str), None
    for column in ("entity", "label"):
        frame[f"{column}_code"] = frame[column].astype("category").cat.codes.astype(np.int64)
    frame["row"] = frame.groupby("source").cumcount()
    frame["source_code"] = frame["source"].astype("category").cat.codes.astype(np.int64)
    frame["validation"] = (frame["split"] == "validation") & has_truth
    return frame.reset_index(drop=True), has_truth, total - len(frame)


def _known(job: Job, frame: pd.DataFrame, names: Sequence[str]) -> dict[str, Known]:
    """The fields of these records, in the order of the frame, with what is known of them."""
    import pyarrow as pa

    spark = job.context.spark
    wanted = spark.createDataFrame(pa.table({"record_key": pa.array(frame["record_key"].to_numpy())}))
    items = job.read("items").where("text IS NOT NULL")
    records = job.read("records").join(wanted, "record_key", "left_semi")
    table = described(job.context.config, records, items).toArrow().sort_by("record_key")
    keys = table["record_key"].to_numpy()
    found = {}
    for name in names:
        own = frame[frame["source"] == name]
        rows = table.take(np.searchsorted(keys, own["record_key"].to_numpy()))
        truth = (own[column].to_numpy() for column in ("entity_code", "label_code", "validation"))
        found[name] = Known(Records.of(name, rows), *truth)
    return found


def _population(job: Job) -> list[Records]:
    """The fields of records of any split, at most ``train.max_records`` of them, without their truth."""
    from pyspark.sql import functions as F

    config = job.context.config
    drawn = (
        job.read("records").orderBy(F.xxhash64("record_key"), "record_key").limit(config.train.max_records)
    )
    items = job.read("items").where("text IS NOT NULL")
    return list(collected(described(config, drawn, items)).values())


def _items(
    job: Job, extractors: Extractors, frame: pd.DataFrame, sources: Sources
) -> tuple[dict[str, ItemTable], dict[str, dict[str, int]]]:
    """The items of these records that have all their vectors, by modality, and the vectors' widths."""
    from xmer_spark.store import vectors as store

    if not extractors:
        return {}, {}
    complete = (
        job.read("items")
        .select("item_key", "record_key", "field", "modality")
        .join(_complete(job, extractors), ["item_key", "modality"], "left_semi")
    )
    found = complete.toPandas().merge(frame, on="record_key").sort_values("item_key")
    keys = {str(modality): rows["item_key"].to_numpy() for modality, rows in found.groupby("modality")}
    for modality in sorted({modality for modality, _ in extractors} - set(keys)):
        log.warning("train: no training item of modality %s has its features: it is not compared", modality)
    widths: dict[str, dict[str, int]] = {}
    parts: dict[str, list[np.ndarray]] = {}
    for modality, identity in extractors:
        if modality in keys:
            condition = f"extractor = '{identity}'"
            files, rows = job.context.warehouse.files("features", job.inputs["features"], condition)
            _, vectors = store.read_vectors(files, rows, keys[modality])
            parts.setdefault(modality, []).append(vectors)
            widths.setdefault(modality, {})[identity] = vectors.shape[1]
    place = {name: number for number, name in enumerate(sources.fields)}
    tables = {
        modality: _table(found[found["modality"] == modality], np.hstack(vectors), place)
        for modality, vectors in parts.items()
    }
    return tables, widths


def _table(rows: pd.DataFrame, vectors: np.ndarray, place: Mapping[str, int]) -> ItemTable:
    columns = ("source_code", "row", "entity_code", "label_code", "validation")
    source, row, entity, label, validation = (rows[column].to_numpy() for column in columns)
    return ItemTable(vectors, source, row, rows["field"].map(place).to_numpy(), entity, label, validation)


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
