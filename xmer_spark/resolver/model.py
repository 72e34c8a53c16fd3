"""The trained whole: extractors' state, space, hasher and pair scorer, saved and loaded as one.

Besides the steps, this is the only module that brings rooms together. Its Spark side is a broadcast: workers
get the saved files and load them once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xmer_spark import blocking, features, hashing, scoring, spaces
from xmer_spark.errors import XmerError
from xmer_spark.method import write_folder

_DOCUMENT = "resolver.json"
_FORMAT = 3


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
