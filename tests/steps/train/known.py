"""Made-up training data: things that two sources draw and two name, with everything known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.slices import EMOJI, SMALL, SOURCE
from xmer_spark.config import Config, load_config
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.items import ItemTable, Sources

SOURCES = list(EMOJI)
WIDTHS = {"image": {"colour-v1-a": 12}, "text": {"tfidf-v1-b": 10}}
THINGS = 150


def config(folder: Path, *replacements: str) -> Config:
    """The configuration of the slices, whose files are not needed here; all pairs are compared."""
    sources = (SOURCE.format(name=name, folder=folder, modality=kind) for name, kind in EMOJI.items())
    path = folder / "small.toml"
    path.write_text(SMALL + "".join(sources))
    return load_config(path, ["space.method=cca", "blocking.method=scan", *replacements])


def training_data(noise: float = 0.3, seed: int = 0) -> TrainingData:
    """Items whose vectors are views of the thing that they show; every fifth thing is for validation."""
    random = np.random.default_rng(seed)
    things = random.standard_normal((THINGS, 6))
    entity = np.tile(np.arange(THINGS), 2)
    items = {}
    for place, (modality, widths) in enumerate(WIDTHS.items()):
        view = random.standard_normal((6, sum(widths.values())))
        vectors = (things @ view)[entity] + noise * random.standard_normal((2 * THINGS, view.shape[1]))
        items[modality] = ItemTable(
            np.arange(2 * THINGS) + 2 * THINGS * place,
            vectors.astype(np.float32),
            entity,
            np.full(2 * THINGS, -1),
            np.repeat([2 * place, 2 * place + 1], THINGS),
            entity % 5 == 0,
        )
    sources = Sources(SOURCES, dict(EMOJI), np.ones(4, bool), dict.fromkeys(SOURCES, THINGS))
    return TrainingData(items, sources, WIDTHS, 0)
