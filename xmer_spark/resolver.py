"""The trained whole: extractors' state, space, hasher and pair scorer, saved and loaded as one.

Besides the jobs, the command line and ``training``, this is the only module that brings rooms
together. Its Spark side is a broadcast: workers get the saved files and load them once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark import blocking, features, hashing, scoring, spaces
from xmer_spark.errors import XmerError
from xmer_spark.methods import loaded_once, saved_files, write_folder
from xmer_spark.schema import EMBEDDINGS

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_DOCUMENT = "resolver.json"
_FORMAT = 2
#: What encoding needs; extractors' state and the scorer stay behind.
_ENCODER = ("blocks", "space", "hasher")


@dataclass
class Resolver:
    """Everything that decides what an item's embedding is and which items match.

    ``extractors`` maps modality to the identities of its extractors, in the order in which their
    vectors are joined; ``blockers`` maps pairs such as ``image-text`` to what proposes candidates, and
    ``plans`` the same to what was expected of it.
    """

    extractors: dict[str, list[str]]
    blocks: Any
    space: Any
    hasher: Any
    scorer: Any
    blockers: dict[str, Any]
    plans: dict[str, dict[str, Any]]

    def embed(self, modality: str, vectors: np.ndarray) -> np.ndarray:
        """(n, d) joined feature vectors -> (n, k) float32 embeddings."""
        embedded: np.ndarray = self.space.transform(modality, self.blocks.transform(modality, vectors))
        return embedded

    def save(
        self, folder: Path | str, extractor_states: Mapping[str, Mapping[str, bytes]] | None = None
    ) -> Path:
        """Write the resolver, with the saved state of its extractors by identity, into ``folder``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("blocks", "space", "hasher", "scorer"):
            getattr(self, name).save(folder / name)
        for pair, blocker in self.blockers.items():
            blocker.save(folder / "blockers" / pair)
        for identity, state in (extractor_states or {}).items():
            write_folder(state, folder / "extractors" / identity)
        document = {"format": _FORMAT, "extractors": self.extractors, "blockers": sorted(self.blockers)}
        document["plans"] = self.plans
        (folder / _DOCUMENT).write_text(json.dumps(document, indent=1, sort_keys=True), "utf-8")
        return folder

    @classmethod
    def load(cls, folder: Path | str) -> Resolver:
        """Read what ``save`` wrote."""
        folder = Path(folder)
        document = read_document(folder)
        return cls(
            extractors=document["extractors"],
            blocks=spaces.PREPARATION.load(folder / "blocks"),
            space=spaces.REGISTRY.load(folder / "space"),
            hasher=hashing.REGISTRY.load(folder / "hasher"),
            scorer=scoring.REGISTRY.load(folder / "scorer"),
            blockers={p: blocking.REGISTRY.load(folder / "blockers" / p) for p in document["blockers"]},
            plans=document["plans"],
        )

    def encode(self, rows: DataFrame, model_version: str) -> DataFrame:
        """Features -> embeddings and codes; an item that lacks one of its extractors' vectors is left out."""
        from pyspark.sql import functions as F

        files = {name: content for name, content in saved_files(self).items() if _is_encoder(name)}
        state = rows.sparkSession.sparkContext.broadcast(files)
        joined = join_vectors(rows, self.extractors)

        def encode_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            encoder = loaded_once(state.value, _Encoder)
            for batch in batches:
                yield from encoder.encode_batch(batch)

        columns = [c for c in EMBEDDINGS.columns if c.name not in ("source", "model_version")]
        encoded = joined.mapInArrow(encode_batches, ", ".join(f"{c.name} {c.type}" for c in columns))
        return encoded.select(
            "item_key", "item_id", F.substring_index("item_id", "/", 1).alias("source"),
            "modality", "embedding", "code", F.lit(model_version).alias("model_version"),
        )  # fmt: skip


def read_document(folder: Path) -> dict[str, Any]:
    path = folder / _DOCUMENT
    if not path.is_file():
        raise XmerError(f"{folder} holds no resolver: {_DOCUMENT} is missing")
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if document["format"] != _FORMAT:
        raise XmerError(f"{path}: format {document['format']} is not {_FORMAT}; train the model again")
    return document


def load_extractors(folder: Path | str) -> dict[str, list[Any]]:
    """The extractors of a saved resolver by modality, to extract features from raw items."""
    folder = Path(folder)
    return {
        modality: [features.REGISTRY.load(folder / "extractors" / identity) for identity in identities]
        for modality, identities in read_document(folder)["extractors"].items()
    }


def join_vectors(rows: DataFrame, extractors: Mapping[str, list[str]]) -> DataFrame:
    """Features -> (item_key, item_id, modality, vector): an item's vectors side by side, in order."""
    from functools import reduce

    from pyspark.sql import functions as F

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


def pair_name(a: str, b: str) -> str:
    """The name of a pair of modalities, whichever comes first.

    >>> pair_name("text", "image")
    'image-text'
    """
    return "-".join(sorted((a, b)))


class _Encoder:
    """The part of a resolver that a worker needs to encode items."""

    def __init__(self, folder: Path) -> None:
        self.blocks = spaces.PREPARATION.load(folder / "blocks")
        self.space = spaces.REGISTRY.load(folder / "space")
        self.hasher = hashing.REGISTRY.load(folder / "hasher")

    def encode_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """One Arrow batch, modality by modality: a batch seldom holds more than one."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for modality in pc.unique(batch["modality"]).to_pylist():
            part = batch.filter(pc.equal(batch["modality"], modality))
            vectors = part["vector"].flatten().to_numpy(zero_copy_only=False).reshape(part.num_rows, -1)
            embedded = self.space.transform(modality, self.blocks.transform(modality, vectors))
            codes = self.hasher.codes(modality, embedded).view(np.int64)
            yield pa.RecordBatch.from_arrays(
                [
                    part["item_key"], part["item_id"], part["modality"],
                    _lists(embedded.astype(np.float32)), _lists(codes),
                ],
                names=["item_key", "item_id", "modality", "embedding", "code"],
            )  # fmt: skip


def _lists(matrix: np.ndarray) -> pa.ListArray:
    """The rows of a matrix as an Arrow list array, without a Python loop."""
    import pyarrow as pa

    rows, columns = matrix.shape
    offsets = pa.array(np.arange(0, (rows + 1) * columns, max(columns, 1), dtype=np.int32)[: rows + 1])
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.reshape(-1)))


def _is_encoder(name: str) -> bool:
    return name.split("/")[0] in _ENCODER
