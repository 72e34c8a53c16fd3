"""What validation items say of a resolver, from embeddings and a pair scorer alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.slices import ROOT
from xmer_spark.config import Config, load_config
from xmer_spark.resolver.model import Resolver
from xmer_spark.scoring.scorer import PairSample, PairScorer
from xmer_spark.steps.train import validation
from xmer_spark.steps.train.encoder import Encoded
from xmer_spark.steps.train.items import ItemTable, Sources

SOURCES = Sources(
    ["drawn", "painted", "told", "written"],
    {"drawn": "image", "painted": "image", "told": "text", "written": "text"},
    np.ones(4, bool),
    dict.fromkeys(("drawn", "painted", "told", "written"), 60),
)


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(ROOT / "conf" / "demo.toml")


def encoded(trained: list[tuple[str, str]]) -> Encoded:
    """60 things in four sources, two of a modality, and a scorer that knows these modality pairs."""
    random = np.random.default_rng(0)
    things = random.standard_normal((60, 8))
    entity = np.tile(np.arange(60), 2)
    items, embeddings = {}, {}
    for place, modality in enumerate(("image", "text")):
        x = (things[entity] + 0.3 * random.standard_normal((120, 8))).astype(np.float32)
        embeddings[modality] = x / np.linalg.norm(x, axis=1, keepdims=True)
        source = np.repeat([2 * place, 2 * place + 1], 60)
        everything = np.ones(120, bool)
        keys = np.arange(120) + 120 * place
        items[modality] = ItemTable(keys, x, entity, np.full(120, -1), source, everything)
    scorer = PairScorer(reference=50).fit_items(embeddings, dict.fromkeys(embeddings, np.full(120, -1)))
    prepared = {m: scorer.prepare(m, x) for m, x in embeddings.items()}
    i, j = np.divmod(np.arange(120 * 120), 120)
    samples = {}
    for pair in trained:
        evidence = scorer.evidence(pair, prepared[pair[0]], prepared[pair[1]], i, j)
        samples[pair] = PairSample(evidence, entity[i] == entity[j], np.ones(len(i)))
    scorer.fit_pairs(samples)
    resolver = Resolver({}, None, None, None, scorer, {}, {})
    return Encoded(resolver, items, embeddings, dict.fromkeys(embeddings, np.zeros((120, 1), np.uint64)))


def test_every_direction_between_sources_that_are_compared_is_judged(config: Config) -> None:
    found = validation.average_precision(
        config, encoded([("image", "image"), ("image", "text"), ("text", "text")]), SOURCES
    )
    assert len(found) == 4 * 3
    assert all(value > 0.5 for value in found.values())


def test_what_the_scorer_was_not_trained_to_compare_is_left_out(config: Config) -> None:
    found = validation.average_precision(config, encoded([("image", "text")]), SOURCES)
    pictures, texts = ("drawn", "painted"), ("told", "written")
    assert set(found) == {(a, b) for p in pictures for t in texts for a, b in ((p, t), (t, p))}
