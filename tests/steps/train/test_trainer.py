"""A resolver fitted on made-up items: what it has seen, what it is judged by, and that it repeats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.steps.train import known
from xmer_spark.errors import XmerError
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.train import encoder, folds, learning
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.items import true_pairs
from xmer_spark.steps.train.trainer import Trained, train


def embedded(resolver: Resolver, data: TrainingData) -> dict[str, np.ndarray]:
    assert resolver.encoder is not None
    return {m: resolver.encoder.embed(m, table.vectors) for m, table in data.items.items()}


def without_validation(data: TrainingData) -> TrainingData:
    nothing = {name: replace(k, validation=np.zeros(len(k), bool)) for name, k in data.known.items()}
    items = {m: replace(t, validation=np.zeros(len(t), bool)) for m, t in data.items.items()}
    return replace(data, known=nothing, items=items)


def test_things_that_are_easily_told_apart_are_found(trained: Trained) -> None:
    assert trained.score is not None
    assert trained.score > 0.8
    assert trained.metrics["validation_score"] == trained.score
    directions = [name for name in trained.metrics if name.startswith("validation_map/")]
    assert len(directions) == 4 * 3
    assert set(trained.resolver.blockers) == set(known.PAIRS)
    assert trained.resolver.scorer.names == ["image-image", "image-text", "text-text"]
    assert set(trained.resolver.plans) == {"/".join(pair) for pair in known.PAIRS}


def test_validation_decides_calibration_by_kind_slack_and_threshold(
    trained: Trained,
) -> None:
    for kind in ("image-image", "image-text", "text-text"):
        # From no more than 30 matches a kind, calibration is careful.
        assert trained.metrics[f"expected_matches/{kind}"] == pytest.approx(1, abs=0.25)
    assert trained.resolver.threshold == trained.metrics["match_threshold"]
    assert set(trained.resolver.slack.values()) == {trained.metrics["slack"]}
    assert trained.metrics["validation_pair_f1"] > 0.8


def test_the_resolver_finds_the_records_of_one_thing(trained: Trained, data: TrainingData) -> None:
    placed = encoder.placed(trained.resolver.encoder, data.known, data.items, data.sources)
    found = trained.resolver.similarity(placed["google"].records, placed["twitter"].records)
    assert (found.argmax(axis=1) == np.arange(known.THINGS)).mean() > 0.9


def test_noise_is_not_taken_for_knowledge(tmp_path: Path) -> None:
    data = known.training_data()
    random = np.random.default_rng(1)
    noise = {
        m: replace(t, vectors=random.standard_normal(t.vectors.shape).astype(np.float32))
        for m, t in data.items.items()
    }
    trained = train(known.config(tmp_path), replace(data, items=noise))
    assert trained.score is not None
    assert trained.score < 0.3  # 30 things: chance is .13
    resolver = trained.resolver
    placed = encoder.placed(resolver.encoder, data.known, noise, data.sources)
    sides = (resolver.comparer.prepare(placed[name].records) for name in ("google", "cldr"))
    evidence = resolver.comparer.evidence(*sides, np.arange(100), np.arange(100))
    # The space was fitted on these very pairs, and still promises little: it was judged by others.
    assert resolver.scorer.probability(evidence).mean() < 0.3


def test_the_judged_resolver_has_not_seen_the_validation_items(
    trained: Trained, data: TrainingData, tmp_path: Path
) -> None:
    other = {
        m: replace(t, vectors=np.where(t.validation[:, None], t.vectors[::-1], t.vectors))
        for m, t in data.items.items()
    }
    again = train(known.config(tmp_path), replace(data, items=other))
    before, after = embedded(trained.judged, data), embedded(again.judged, data)
    assert all(np.array_equal(before[m], after[m]) for m in before)
    before, after = embedded(trained.resolver, data), embedded(again.resolver, data)
    assert not any(np.array_equal(before[m], after[m]) for m in before)


def test_training_repeats_to_the_last_bit(trained: Trained, data: TrainingData, tmp_path: Path) -> None:
    again = train(known.config(tmp_path), data)
    assert again.metrics == trained.metrics
    first, second = (trained.resolver.save(tmp_path / "1"), again.resolver.save(tmp_path / "2"))
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) > 5
    assert [f for f in files if (first / f).read_bytes() != (second / f).read_bytes()] == []


def test_without_validation_items_it_says_what_is_missing(data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(XmerError, match="validation"):
        train(known.config(tmp_path), without_validation(data))


def test_one_modality_alone_is_trained(data: TrainingData, tmp_path: Path) -> None:
    alone = replace(data, items={"image": data.items["image"]}, widths={"image": known.WIDTHS["image"]})
    trained = train(known.config(tmp_path), alone)
    assert set(trained.resolver.blockers) == {("google", "twitter")}
    assert trained.score is not None
    assert trained.score > 0.8


def test_every_entity_is_held_out_in_one_fold(data: TrainingData) -> None:
    learnt = without_validation(data).known
    every = list(folds.masks(learnt, 3, seed=0))
    for name, each in learnt.items():
        assert (np.sum([mask[name] for mask in every], axis=0) == 1).all()
        for mask in every:
            assert not set(each.entity[mask[name]]) & set(each.entity[~mask[name]])
    held_out = folds.masks(data.known, 3, seed=0)
    validation = {name: k.validation for name, k in data.known.items()}
    assert not any((mask[name] & validation[name]).any() for mask in held_out for name in mask)


def test_records_are_placed_as_their_items_are_encoded(trained: Trained, data: TrainingData) -> None:
    """Whatever lies beside them, and in whichever order the items are."""
    fitted = trained.resolver.encoder
    assert fitted is not None
    whole = encoder.placed(fitted, data.known, data.items, data.sources)
    shuffled = np.random.default_rng(0).permutation(len(data.items["text"]))[:200]
    part = {"text": data.items["text"].where(shuffled)}
    some = encoder.placed(fitted, data.known, part, data.sources)
    for name in ("cldr", "short_names"):
        place = data.sources.names.index(name)
        own = part["text"].row[part["text"].source == place]
        there = np.isin(np.arange(known.THINGS), own)
        assert np.array_equal(some[name].records.present("text/embedding"), there)
        for column in ("text/embedding", "text/surroundings", "text/code"):
            assert np.array_equal(
                some[name].records.columns[column][own], whole[name].records.columns[column][own]
            )
    assert not some["google"].records.columns


def test_pairs_that_no_blocker_proposes_are_not_ranked_above_matches(
    data: TrainingData, tmp_path: Path
) -> None:
    """The scorer learns from candidates alone, and validation ranks all pairs."""
    trained = train(known.config(tmp_path, "blocking.target_recall=0.8"), data)
    assert trained.score is not None
    assert trained.score > 0.8
    proposed = sum(v for name, v in trained.metrics.items() if name.startswith("planned_pairs/"))
    assert proposed < 0.6 * len(known.PAIRS) * known.THINGS**2


def test_two_texts_of_one_record_are_no_pair_to_learn_from(data: TrainingData) -> None:
    table = data.items["text"].where(np.array([0, 0, 1, known.THINGS]))
    same = replace(table, field=np.array([0, 1, 0, 0]))
    assert true_pairs({"text": same})["text", "text"].tolist() == [[0, 3], [1, 3]]


@pytest.mark.parametrize("method", ["auto", "boosted", "fellegi_sunter"])
def test_every_scorer_learns_what_matches_are(data: TrainingData, tmp_path: Path, method: str) -> None:
    trained = train(known.config(tmp_path, f"scoring.method={method}"), data)
    assert trained.score is not None
    assert trained.score > 0.7
    assert trained.resolver.scorer.method in (learning.LEARNT if method == "auto" else (method,))
