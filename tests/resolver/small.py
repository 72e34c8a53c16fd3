"""A small resolver of texts and pictures with real extractors, fitted in a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.pictures import png
from xmer_spark import features
from xmer_spark.blocking import records as blocking
from xmer_spark.blocking.records.base import Records as Table
from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.config import Config
from xmer_spark.method import saved_files
from xmer_spark.numerics.records import CODE, EMBEDDING, SURROUNDINGS, Records
from xmer_spark.resolver.encoder import Encoder
from xmer_spark.resolver.model import Resolver
from xmer_spark.scoring.scorer import PairScorer
from xmer_spark.steps.train import encoder
from xmer_spark.steps.train.items import ItemTable

COLOURS = {"red": (230, 30, 30), "green": (30, 230, 30), "blue": (30, 30, 230), "grey": (120, 120, 120)}
TEXTS = [f"{colour} thing {number}" for colour in COLOURS for number in range(10)]
SETTINGS = {
    "name": "small",
    "hashing": {"bits": 64},
    "source": [
        {"name": "drawn", "kind": "images", "path": "drawn", "one_per_entity": True},
        {"name": "told", "kind": "texts", "path": "told", "one_per_entity": True},
    ],
}


def picture(colour: str, number: int) -> bytes:
    """A PNG of one colour, a little darker with every number."""
    return png(np.full((16, 16, 3), COLOURS[colour]) - 2 * number)


PICTURES = [picture(colour, number) for colour in COLOURS for number in range(10)]


@dataclass(frozen=True)
class Small:
    """A resolver and its extractors by modality."""

    resolver: Resolver
    extractors: dict[str, Any]

    @property
    def encoder(self) -> Encoder:
        assert self.resolver.encoder is not None
        return self.resolver.encoder

    def save(self, folder: Path) -> Path:
        return self.resolver.save(folder, {e.identity(): saved_files(e) for e in self.extractors.values()})

    def embeddings(self, modality: str, contents: Sequence[Any]) -> np.ndarray:
        return self.encoder.embed(modality, self.extractors[modality].extract(contents))

    def drawn(self) -> Records:
        """The pictures as records."""
        return described("drawn", 0, self.encoder, "image", self.extractors["image"].extract(PICTURES))

    def told(self) -> Records:
        """The texts as records, which are compared by their words, too."""
        found = described("told", 100, self.encoder, "text", self.extractors["text"].extract(TEXTS))
        return Records(found.source, found.keys, {"text": np.array(TEXTS, object), **found.columns})


def small() -> Small:
    config = Config.model_validate(SETTINGS)
    extractors = {
        "image": features.REGISTRY.build("colour", {}),
        "text": features.REGISTRY.build("tfidf", {"dimensions": 8}).fit(TEXTS),
    }
    vectors = {"image": extractors["image"].extract(PICTURES), "text": extractors["text"].extract(TEXTS)}
    n = len(TEXTS)
    items = {
        m: ItemTable(
            x, np.full(n, place), np.arange(n), np.full(n, place),
            np.arange(n), np.full(n, -1), np.zeros(n, bool),
        )
        for place, (m, x) in enumerate(vectors.items())
    }  # fmt: skip
    widths = {m: {extractors[m].identity(): x.shape[1]} for m, x in vectors.items()}
    fitted = encoder.fit(config, widths, items)
    assert fitted is not None
    comparer = Comparer({"text": "text"}, {"image": "image", "text": "text"})
    told = Records("told", np.arange(n), {"text": np.array(TEXTS, object)})
    comparer = comparer.fit([told]).around(fitted.surroundings)
    unfinished = Small(Resolver(fitted, comparer, PairScorer("logistic"), {}, {}), extractors)
    return Small(_finished(unfinished), extractors)


def _finished(made: Small) -> Resolver:
    """With a scorer of the pairs of pictures and texts, and a blocker that proposes some of them."""
    resolver, sides = made.resolver, (made.drawn(), made.told())
    comparer, n = resolver.comparer, len(TEXTS)
    i, j = np.divmod(np.arange(n * n), n)
    evidence = comparer.evidence(*map(comparer.prepare, sides), i, j)
    resolver.scorer.fit(evidence, comparer.names, i == j)
    blocker = blocking.REGISTRY.build("nearest_codes", {"field": "image/code~text/code", "top": 10})
    tables = (Table(side.keys, side.table()) for side in sides)
    resolver.blockers["drawn", "told"] = [blocker.fit(*tables)]
    resolver.plans["drawn/told"] = {"pairs": 400.0, "recall": 1.0, "reason": "made up"}
    return resolver


def described(source: str, first_key: int, fitted: Encoder, field: str, vectors: np.ndarray) -> Records:
    placed = fitted.encode(field, vectors)
    columns = dict(zip((field + EMBEDDING, field + SURROUNDINGS, field + CODE), placed, strict=True))
    return Records(source, np.arange(len(vectors)) + first_key, columns)
