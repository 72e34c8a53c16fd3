"""Training without labels: rows resolve by what they share; pictures and texts where records hold both."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.steps.train import unlabelled
from xmer_spark.errors import ConfigError
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.train import encoder
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.deciding import rivals
from xmer_spark.steps.train.pairs import Candidates, candidates
from xmer_spark.steps.train.seen import Seen
from xmer_spark.steps.train.trainer import train


def found(resolver: Resolver, data: TrainingData) -> dict[tuple[str, str], tuple[Candidates, np.ndarray]]:
    """The candidate pairs of every two sources, and those that are matches beside their rivals."""
    placed = encoder.placed(resolver.encoder, data.known, data.items, data.sources)
    seen = Seen(placed, resolver.comparer)
    fitted = {
        (a, b): [blocker.fit(seen.tables[a], seen.tables[b]) for blocker in blockers]
        for (a, b), blockers in resolver.blockers.items()
    }
    lots = rivals(
        list(candidates(seen, fitted, data.sources)), resolver.scorer, data.sources.alone, least=0.0
    )
    return {each.pairs.sources: (each.pairs, each.decided(resolver.slack) >= 0.5) for each in lots}


def f1(made: set[tuple[int, int]], true: set[tuple[int, int]]) -> float:
    return 2 * len(made & true) / (len(made) + len(true))


def test_rows_of_two_shops_are_resolved(tmp_path: Path) -> None:
    data = unlabelled.two_shops()
    trained = train(unlabelled.rows_config(tmp_path), data)
    assert trained.score is None
    assert trained.judged is trained.resolver
    resolver = trained.resolver
    assert resolver.encoder is None
    assert resolver.scorer.method == "boosted"  # taught by what competition has decided
    assert resolver.scorer.names == ["row-row"]
    assert not resolver.scorer.calibration
    pairs, match = found(resolver, data)["shop", "web"]
    made = set(zip(pairs.i[match].tolist(), pairs.j[match].tolist(), strict=True))
    assert f1(made, {(thing, thing - 20) for thing in range(20, 100)}) > 0.9


def test_two_sources_that_may_have_any_number_of_matches_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = unlabelled.two_shops()
    unbounded = replace(data, sources=replace(data.sources, alone=frozenset()))
    with caplog.at_level(logging.WARNING):
        train(unlabelled.rows_config(tmp_path, once=False), unbounded)
    assert "may be taken for the same: shop/web. Set one_per_entity = true" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        train(unlabelled.rows_config(tmp_path), data)
    assert "one_per_entity" not in caplog.text


def test_a_shop_that_names_some_things_twice_is_resolved_with_itself(tmp_path: Path) -> None:
    data = unlabelled.one_shop()
    trained = train(unlabelled.rows_config(tmp_path, once=False), data)
    assert set(trained.resolver.blockers) == {("shop", "shop")}
    pairs, match = found(trained.resolver, data)["shop", "shop"]
    assert (pairs.i < pairs.j).all()
    made = set(zip(pairs.i[match].tolist(), pairs.j[match].tolist(), strict=True))
    assert f1(made, {(thing, 60 + thing) for thing in range(60)}) > 0.75  # without rivals to weigh


def test_pairs_without_rivals_are_scored_by_what_the_others_teach(tmp_path: Path) -> None:
    data = unlabelled.a_careful_and_a_careless_shop()
    alone = unlabelled.of_rows(dict(data.known), [("shop", "web")], frozenset(["shop"]))
    resolver, other = (train(unlabelled.rows_config(tmp_path), each).resolver for each in (data, alone))
    sides = data.known["web"].records, data.known["web"].records
    assert np.array_equal(resolver.similarity(*sides), other.similarity(*sides))
    pairs, match = found(resolver, data)["web", "web"]
    made = set(zip(pairs.i[match].tolist(), pairs.j[match].tolist(), strict=True))
    assert f1(made, {(thing, 60 + thing) for thing in range(60)}) > 0.75


@pytest.mark.parametrize("once", [True, False])
def test_titles_alone_resolve_too(tmp_path: Path, once: bool) -> None:
    """One attribute is all that many a table has."""
    data = unlabelled.titles_alone(unlabelled.two_shops() if once else unlabelled.one_shop())
    trained = train(unlabelled.rows_config(tmp_path, once=once), data)
    (pairs, match) = found(trained.resolver, data)[data.sources.pairs[0]]
    made = set(zip(pairs.i[match].tolist(), pairs.j[match].tolist(), strict=True))
    true = {(n, n - 20) for n in range(20, 100)} if once else {(n, 60 + n) for n in range(60)}
    assert f1(made, true) > 0.8


def test_training_without_labels_repeats_and_is_saved_whole(tmp_path: Path) -> None:
    data = unlabelled.two_shops()
    first, second = (train(unlabelled.rows_config(tmp_path), data).resolver for _ in range(2))
    folders = first.save(tmp_path / "1"), second.save(tmp_path / "2")
    files = sorted(path.relative_to(folders[0]) for path in folders[0].rglob("*") if path.is_file())
    assert [f for f in files if (folders[0] / f).read_bytes() != (folders[1] / f).read_bytes()] == []
    sides = data.known["shop"].records, data.known["web"].records
    assert np.array_equal(Resolver.load(folders[0]).similarity(*sides), first.similarity(*sides))


def test_pictures_and_texts_that_nothing_joins_stay_separate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = unlabelled.contents()
    with caplog.at_level(logging.WARNING):
        trained = train(unlabelled.contents_config(tmp_path), data)
    assert "sources drawn and told are not compared" in caplog.text
    assert "sources painted and told are not compared" in caplog.text
    resolver = trained.resolver
    assert set(resolver.blockers) == {("drawn", "painted")}
    assert resolver.scorer.names == ["image-image"]
    assert not [name for name in resolver.comparer.names if name.startswith("image~text")]
    pairs, match = found(resolver, data)["drawn", "painted"]
    made = set(zip(pairs.i[match].tolist(), pairs.j[match].tolist(), strict=True))
    assert f1(made, {(thing, thing) for thing in range(unlabelled.THINGS)}) > 0.7
    placed = encoder.placed(resolver.encoder, data.known, data.items, data.sources)
    likeliest = resolver.similarity(placed["drawn"].records, placed["painted"].records)
    own = likeliest[np.diag_indices(unlabelled.THINGS)]
    assert (own == likeliest.max(axis=1)).mean() > 0.95
    assert np.median(own) > np.median(likeliest) + 1


def test_records_that_hold_both_teach_how_pictures_and_texts_belong_together(tmp_path: Path) -> None:
    data = unlabelled.contents(both=True)
    trained = train(unlabelled.contents_config(tmp_path), data)
    resolver = trained.resolver
    assert set(resolver.blockers) == set(data.sources.pairs)
    assert "image~text/cosine" in resolver.comparer.names
    placed = encoder.placed(resolver.encoder, data.known, data.items, data.sources)
    texts_alone = placed["told"].records.only("text")
    similarity = resolver.comparer.evidence(
        resolver.comparer.prepare(placed["drawn"].records),
        resolver.comparer.prepare(texts_alone),
        *np.divmod(np.arange(unlabelled.THINGS**2), unlabelled.THINGS),
    ).values[:, resolver.comparer.names.index("image~text/cosine")]
    best = similarity.reshape(unlabelled.THINGS, -1).argmax(axis=1)
    assert (best == np.arange(unlabelled.THINGS)).mean() > 0.8


def test_encoders_that_share_a_space_need_no_labels(tmp_path: Path) -> None:
    data = unlabelled.contents()
    width = 10
    items = {m: replace(t, vectors=t.vectors[:, :width]) for m, t in data.items.items()}
    same = replace(data, items=items, widths={m: {f"{m}-v1-a": width} for m in items})
    settings = ["space.method=pretrained"]
    resolver = train(unlabelled.contents_config(tmp_path, *settings), same).resolver
    assert set(resolver.blockers) == set(data.sources.pairs)
    assert "image~text/cosine" in resolver.comparer.names


def test_sources_with_nothing_in_common_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    data = unlabelled.contents()
    pictures = {m: t.where(t.source != 1) for m, t in data.items.items()}
    with pytest.raises(ConfigError, match="no two sources have anything that can be compared"):
        train(unlabelled.contents_config(tmp_path), replace(data, items=pictures))


def test_many_unlabelled_pairs_are_learnt_from_by_a_weighed_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = unlabelled.two_shops()
    whole = train(unlabelled.rows_config(tmp_path), data).resolver
    count = len(found(whole, data)["shop", "web"][0])
    monkeypatch.setattr("xmer_spark.steps.train.unlabelled.NEGATIVES", count // 2)
    half = train(unlabelled.rows_config(tmp_path), data).resolver
    sides = data.known["shop"].records, data.known["web"].records
    both = [resolver.similarity(*sides) > 0 for resolver in (whole, half)]
    assert (both[0] == both[1]).mean() > 0.99
