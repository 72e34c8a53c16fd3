"""A small resolver of texts and pictures with real extractors, fitted in a second."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.pictures import png
from tests.slices import ROOT
from xmer_spark import features
from xmer_spark.config import load_config
from xmer_spark.method import saved_files
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.train import encoder
from xmer_spark.steps.train.items import ItemTable

COLOURS = {"red": (230, 30, 30), "green": (30, 230, 30), "blue": (30, 30, 230), "grey": (120, 120, 120)}
TEXTS = [f"{colour} thing {number}" for colour in COLOURS for number in range(10)]


def picture(colour: str, number: int) -> bytes:
    """A PNG of one colour, a little darker with every number."""
    return png(np.full((16, 16, 3), COLOURS[colour]) - 2 * number)


PICTURES = [picture(colour, number) for colour in COLOURS for number in range(10)]


@dataclass(frozen=True)
class Small:
    """A resolver and its extractors by modality."""

    resolver: Resolver
    extractors: dict[str, Any]

    def save(self, folder: Path) -> Path:
        return self.resolver.save(folder, {e.identity(): saved_files(e) for e in self.extractors.values()})

    def embeddings(self, modality: str, contents: list[Any]) -> np.ndarray:
        return self.resolver.embed(modality, self.extractors[modality].extract(contents))


def small() -> Small:
    config = load_config(ROOT / "conf" / "demo.toml", ["hashing.bits=64"])
    extractors = {
        "image": features.REGISTRY.build("colour", {}),
        "text": features.REGISTRY.build("tfidf", {"dimensions": 8}).fit(TEXTS),
    }
    vectors = {"image": extractors["image"].extract(PICTURES), "text": extractors["text"].extract(TEXTS)}
    n = len(TEXTS)
    items = {
        m: ItemTable(
            np.arange(n) + n * place, x, np.arange(n), np.full(n, -1), np.full(n, place), np.zeros(n, bool)
        )
        for place, (m, x) in enumerate(vectors.items())
    }
    widths = {m: {extractors[m].identity(): x.shape[1]} for m, x in vectors.items()}
    return Small(encoder.fit(config, widths, items).resolver, extractors)
