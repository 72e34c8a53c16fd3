"""Encoding on Spark: features -> embeddings and codes, by a broadcast resolver that workers load once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from xmer_spark import hashing, spaces
from xmer_spark.method import loaded_once, saved_files
from xmer_spark.numerics import arrow
from xmer_spark.resolver.model import Resolver
from xmer_spark.schema import EMBEDDINGS

#: What encoding needs; extractors' state and the scorer stay behind.
_ENCODER = ("blocks", "space", "hasher")


def encode(resolver: Resolver, rows: DataFrame, model_version: str) -> DataFrame:
    """Features -> embeddings and codes; an item that lacks one of its extractors' vectors is left out."""
    files = {name: content for name, content in saved_files(resolver).items() if _is_encoder(name)}
    state = rows.sparkSession.sparkContext.broadcast(files)
    joined = join_vectors(rows, resolver.extractors)

    def encode_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        encoder = loaded_once(state.value, Encoder)
        for batch in batches:
            yield from encoder.encode_batch(batch)

    columns = [c for c in EMBEDDINGS.columns if c.name not in ("source", "model_version")]
    encoded = joined.mapInArrow(encode_batches, ", ".join(f"{c.name} {c.type}" for c in columns))
    return encoded.select(
        "item_key", "item_id", F.substring_index("item_id", "/", 1).alias("source"),
        "modality", "embedding", "code", F.lit(model_version).alias("model_version"),
    )  # fmt: skip


def join_vectors(rows: DataFrame, extractors: Mapping[str, list[str]]) -> DataFrame:
    """Features -> (item_key, item_id, modality, vector): an item's vectors side by side, in order."""
    wanted = [identity for identities in extractors.values() for identity in identities]
    by_extractor = F.map_from_entries(F.collect_list(F.struct("extractor", "vector")))
    items = (
        rows.where(F.col("extractor").isin(wanted))
        .groupBy("item_key", "item_id", "modality")
        .agg(by_extractor.alias("vectors"))
    )
    parts = (
        items.where(F.col("modality") == modality).select(
            "item_key",
            "item_id",
            "modality",
            # NULL as soon as one of them is missing.
            F.concat(*(F.element_at("vectors", F.lit(identity)) for identity in identities)).alias("vector"),
        )
        for modality, identities in sorted(extractors.items())
    )
    return reduce(lambda a, b: a.unionByName(b), parts).where("vector IS NOT NULL")


class Encoder:
    """The part of a resolver that a worker needs to encode items."""

    def __init__(self, folder: Path) -> None:
        self.blocks = spaces.PREPARATION.load(folder / "blocks")
        self.space = spaces.REGISTRY.load(folder / "space")
        self.hasher = hashing.REGISTRY.load(folder / "hasher")

    def encode_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """One Arrow batch, modality by modality: a batch seldom holds more than one."""
        for modality in pc.unique(batch["modality"]).to_pylist():
            part = batch.filter(pc.equal(batch["modality"], modality))
            vectors = arrow.matrix(part["vector"], np.float32, f"vectors of {modality}")
            embedded = self.space.transform(modality, self.blocks.transform(modality, vectors))
            codes = self.hasher.codes(modality, embedded).view(np.int64)
            yield pa.RecordBatch.from_arrays(
                [
                    part["item_key"], part["item_id"], part["modality"],
                    arrow.lists(embedded.astype(np.float32)), arrow.lists(codes),
                ],
                names=["item_key", "item_id", "modality", "embedding", "code"],
            )  # fmt: skip


def _is_encoder(name: str) -> bool:
    return name.split("/")[0] in _ENCODER
