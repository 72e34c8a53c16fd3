"""Made-up training data: things that two sources draw and two name, with everything known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.slices import EMOJI, SMALL, SOURCE
from xmer_spark.config import Config, load_config
from xmer_spark.numerics.records import Records
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.items import ItemTable, Known, Sources

SOURCES = sorted(EMOJI)
FIELDS = ["image", "text"]
PAIRS = [(a, b) for place, a in enumerate(SOURCES) for b in SOURCES[place + 1 :]]
WIDTHS = {"image": {"colour-v1-a": 12}, "text": {"tfidf-v1-b": 10}}
THINGS = 150


def config(folder: Path, *replacements: str) -> Config:
    """The configuration of the slices, whose files are not needed here."""
    path = folder / "small.toml"
    sources = (SOURCE.format(name=name, folder=folder, modality=kind) for name, kind in EMOJI.items())
    path.write_text(SMALL + "".join(sources))
    return load_config(path, ["space.method=cca", "scoring.method=logistic", *replacements])


def training_data(noise: float = 0.3, seed: int = 0) -> TrainingData:
    """Items whose vectors are views of the thing that they show; every fifth thing is for validation."""
    random = np.random.default_rng(seed)
    things = random.standard_normal((THINGS, 6))
    entity = np.arange(THINGS)
    known = {
        name: Known(Records(name, entity + THINGS * place, {}), entity, np.full(THINGS, -1), entity % 5 == 0)
        for place, name in enumerate(SOURCES)
    }
    items = {}
    for modality, widths in WIDTHS.items():
        own = [place for place, name in enumerate(SOURCES) if EMOJI[name] == modality]
        view = random.standard_normal((6, sum(widths.values())))
        every = np.tile(entity, len(own))
        vectors = (things @ view)[every] + noise * random.standard_normal((len(every), view.shape[1]))
        items[modality] = ItemTable(
            vectors.astype(np.float32),
            np.repeat(own, THINGS),
            every,
            np.full(len(every), FIELDS.index(modality)),
            every,
            np.full(len(every), -1),
            every % 5 == 0,
        )
    sources = Sources(SOURCES, FIELDS, PAIRS, frozenset(SOURCES), dict.fromkeys(SOURCES, THINGS))
    return TrainingData(known, items, sources, WIDTHS, 0, True, [each.records for each in known.values()])
