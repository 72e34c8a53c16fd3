"""What places items: joined features -> embeddings in the common space, their surroundings, and codes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xmer_spark import hashing, spaces
from xmer_spark.comparisons.space import Surroundings

_DOCUMENT = "encoder.json"


class Placed(NamedTuple):
    """Items in the common space: embeddings (n, k), surroundings (n, s) and codes (n, words)."""

    embedding: np.ndarray
    surroundings: np.ndarray
    code: np.ndarray

    def where(self, rows: np.ndarray) -> Placed:
        return Placed(*(values[rows] for values in self))


@dataclass
class Encoder:
    """Everything that decides what an item's embedding and code are.

    ``extractors`` maps modality to the identities of its extractors, in the order in which their vectors
    are joined.
    """

    extractors: dict[str, list[str]]
    blocks: Any
    space: Any
    hasher: Any
    surroundings: Surroundings

    def embed(self, modality: str, vectors: np.ndarray) -> np.ndarray:
        """(n, d) joined feature vectors -> (n, k) float32 embeddings."""
        embedded: np.ndarray = self.space.transform(modality, self.blocks.transform(modality, vectors))
        return embedded.astype(np.float32)

    def encode(self, modality: str, vectors: np.ndarray) -> Placed:
        """(n, d) joined feature vectors -> what the model makes of the items."""
        embedded = self.embed(modality, vectors)
        around = self.surroundings.of(modality, embedded)
        return Placed(embedded, around, self.hasher.codes(modality, embedded))

    def save(self, folder: Path | str) -> None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("blocks", "space", "hasher", "surroundings"):
            getattr(self, name).save(folder / name)
        (folder / _DOCUMENT).write_text(json.dumps(self.extractors, indent=1), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        return cls(
            extractors=json.loads((folder / _DOCUMENT).read_text("utf-8")),
            blocks=spaces.PREPARATION.load(folder / "blocks"),
            space=spaces.REGISTRY.load(folder / "space"),
            hasher=hashing.REGISTRY.load(folder / "hasher"),
            surroundings=Surroundings.load(folder / "surroundings"),
        )
