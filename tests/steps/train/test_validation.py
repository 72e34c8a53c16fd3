"""What validation records say of a resolver, from embeddings and a pair scorer alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.steps.train import known as made_up
from xmer_spark.blocking.records import REGISTRY as BLOCKING
from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.comparisons.space import Surroundings
from xmer_spark.config import Config
from xmer_spark.numerics.evidence import joined
from xmer_spark.numerics.records import CODE, EMBEDDING, SURROUNDINGS, Records
from xmer_spark.resolver.model import Resolver
from xmer_spark.scoring.scorer import PairScorer
from xmer_spark.steps.train import deciding, validation
from xmer_spark.steps.train.items import Known, Sources
from xmer_spark.steps.train.pairs import Candidates, candidates
from xmer_spark.steps.train.seen import Seen

MODALITY = {"drawn": "image", "painted": "image", "told": "text", "written": "text"}
NAMES = sorted(MODALITY)
PAIRS = [(a, b) for place, a in enumerate(NAMES) for b in NAMES[place + 1 :]]
ALONE = frozenset(NAMES)
SOURCES = Sources(NAMES, ["image", "text"], PAIRS, ALONE, dict.fromkeys(NAMES, 60))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return made_up.config(tmp_path_factory.mktemp("validation"))


def judged(kinds: list[str], noise: float = 0.3) -> tuple[Resolver, Seen]:
    """60 things in four sources, two of a modality, and a resolver that scores these kinds of pairs."""
    random = np.random.default_rng(0)
    things = random.standard_normal((60, 8))
    embeddings = {}
    for name in NAMES:
        x = things + noise * random.standard_normal((60, 8))
        embeddings[name] = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    of_modality = {
        m: np.concatenate([embeddings[name] for name in NAMES if MODALITY[name] == m])
        for m in ("image", "text")
    }
    around = Surroundings(reference=50).fit(of_modality)
    comparer = Comparer({}, {"image": "image", "text": "text"}).around(around)
    known = {}
    for place, name in enumerate(NAMES):
        field = MODALITY[name]
        columns = {
            field + EMBEDDING: embeddings[name],
            field + SURROUNDINGS: around.of(field, embeddings[name]),
            field + CODE: np.zeros((60, 1), np.uint64),
        }
        records = Records(name, np.arange(60) + 100 * place, columns)
        known[name] = Known(records, np.arange(60), np.full(60, -1), np.ones(60, bool))
    seen = Seen(known, comparer)
    i, j = np.divmod(np.arange(60 * 60), 60)
    every = [Candidates(pair, seen, i, j).evidence() for pair in PAIRS]
    truth = np.tile(i == j, len(PAIRS))
    evidence = joined(every)
    scorer = PairScorer("logistic").fit(evidence, comparer.names, truth)
    wanted = [kind for kind, name in zip(scorer.kinds, scorer.names, strict=True) if name in kinds]
    scorer.kinds = wanted
    return Resolver(None, comparer, scorer, {}, {}), seen


def test_every_direction_between_sources_that_are_compared_is_judged(config: Config) -> None:
    resolver, seen = judged(["image-image", "image-text", "text-text"])
    found = validation.average_precision(config, resolver, seen, (), SOURCES)
    assert len(found) == 4 * 3
    assert all(value > 0.5 for value in found.values())


def test_what_the_scorer_was_not_trained_to_compare_is_left_out(config: Config) -> None:
    resolver, seen = judged(["image-text"])
    found = validation.average_precision(config, resolver, seen, (), SOURCES)
    pictures, texts = ("drawn", "painted"), ("told", "written")
    assert set(found) == {(a, b) for p in pictures for t in texts for a, b in ((p, t), (t, p))}


def test_a_direction_is_judged_although_its_first_records_lack_their_content(config: Config) -> None:
    resolver, seen = judged(["image-text"])
    columns = dict(seen.known["drawn"].records.columns)
    for suffix in (EMBEDDING, SURROUNDINGS):
        columns["image" + suffix] = columns["image" + suffix].copy()
        columns["image" + suffix][:5] = np.nan
    lacking = replace(seen.known["drawn"], records=replace(seen.known["drawn"].records, columns=columns))
    part = Seen({**seen.known, "drawn": lacking}, seen.comparer)
    found = validation.average_precision(config, resolver, part, (), SOURCES)
    whole = validation.average_precision(config, resolver, seen, (), SOURCES)
    assert set(found) == set(whole)
    assert found["told", "drawn"] == pytest.approx(whole["told", "drawn"], abs=0.15)


def within(config: Config, resolver: Resolver, seen: Seen, alone: Sources) -> float:
    found = candidates(seen, resolver.blockers, alone)
    return validation.average_precision(config, resolver, seen, found, alone)["drawn", "drawn"]


def test_a_source_with_itself_is_judged_by_its_candidates_and_what_they_miss(config: Config) -> None:
    resolver, seen = judged(["image-image"], noise=0.05)
    once = seen.known["drawn"]
    rows = np.r_[np.arange(60), np.arange(30)]  # the first half of the things is there twice
    records = replace(once.records.where(rows), keys=np.arange(90))
    twice = replace(once.where(rows), records=records)
    alone = Sources(["drawn"], ["image"], [("drawn", "drawn")], frozenset(), {"drawn": 90})
    part = Seen({"drawn": twice}, seen.comparer)
    every = {"field": "image/code", "method": "scan", "settings": {"max_distance": 1.0}}
    resolver.blockers["drawn", "drawn"] = [BLOCKING.build("codes", every)]
    assert within(config, resolver, part, alone) > 0.9
    codes = np.repeat(np.arange(90)[:, None] >= 15, 1, axis=1).astype(np.uint64) * np.uint64(2**64 - 1)
    apart = replace(records, columns={**records.columns, "image/code": codes})
    resolver.blockers["drawn", "drawn"] = [
        BLOCKING.build("codes", {**every, "settings": {"max_distance": 0.1}})
    ]
    fewer = Seen({"drawn": replace(twice, records=apart)}, seen.comparer)
    found = within(config, resolver, fewer, alone)
    assert found == pytest.approx(0.5, abs=0.05)  # half of the true pairs are no candidates


def test_what_is_decided_takes_from_rivals_where_a_source_names_each_thing_once() -> None:
    resolver, seen = judged(["image-text"], noise=0.8)
    i, j = np.divmod(np.arange(60 * 60), 60)
    pairs = Candidates(("drawn", "told"), seen, i, j)
    alone = resolver.scorer.probability(pairs.evidence())
    (weighed,) = deciding.rivals([pairs], resolver.scorer, ALONE, least=0.0)
    beside, kind = weighed.decided({}), weighed.kind
    assert (beside <= alone + 1e-6).all()
    assert beside.sum() < 0.99 * alone.sum()
    assert beside.reshape(60, 60).sum(axis=1).max() <= 1 + 1e-6
    assert set(kind.tolist()) == set(resolver.scorer.kinds)
    np.testing.assert_allclose(
        deciding.rivals([pairs], resolver.scorer, frozenset(), 0.0)[0].decided({}), alone
    )
