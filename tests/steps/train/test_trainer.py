"""A resolver fitted on made-up items: what it has seen, what it is judged by, and that it repeats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.steps.train import known
from xmer_spark.errors import XmerError
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.train import encoder, folds
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.trainer import Trained, train


def embedded(resolver: Resolver, data: TrainingData) -> dict[str, np.ndarray]:
    return {m: resolver.embed(m, table.vectors) for m, table in data.items.items()}


def test_things_that_are_easily_told_apart_are_found(trained: Trained) -> None:
    assert trained.score > 0.8
    assert trained.metrics["validation_score"] == trained.score
    directions = [name for name in trained.metrics if name.startswith("validation_map/")]
    assert len(directions) == 4 * 3
    assert set(trained.resolver.blockers) == {"image-image", "image-text", "text-text"}


def test_noise_is_not_taken_for_knowledge(tmp_path: Path) -> None:
    data = known.training_data()
    random = np.random.default_rng(1)
    noise = {m: replace(t, vectors=random.standard_normal(t.vectors.shape)) for m, t in data.items.items()}
    trained = train(known.config(tmp_path), replace(data, items=noise))
    assert trained.score < 0.3  # 30 things: chance is .13
    i, j = np.arange(100), np.arange(100)
    scorer = trained.resolver.scorer
    sides = [scorer.prepare(m, trained.resolver.embed(m, noise[m].vectors)) for m in ("image", "text")]
    evidence = scorer.evidence(("image", "text"), *sides, i, j)
    # The space was fitted on these very pairs, and still promises little: it was judged by others.
    assert scorer.probability(("image", "text"), evidence).mean() < 0.3


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
    learnt = {m: replace(t, validation=np.zeros(len(t.keys), bool)) for m, t in data.items.items()}
    with pytest.raises(XmerError, match="validation"):
        train(known.config(tmp_path), replace(data, items=learnt))


def test_one_modality_alone_is_trained(data: TrainingData, tmp_path: Path) -> None:
    alone = replace(data, items={"image": data.items["image"]}, widths={"image": known.WIDTHS["image"]})
    trained = train(known.config(tmp_path), alone)
    assert set(trained.resolver.blockers) == {"image-image"}
    assert trained.score > 0.8


def test_every_entity_is_held_out_in_one_fold(data: TrainingData) -> None:
    masks = list(folds.folds(data.items, 3, seed=0))
    for modality, table in data.items.items():
        assert (np.sum([mask[modality] for mask in masks], axis=0) == 1).all()
        for mask in masks:
            assert not set(table.entity[mask[modality]]) & set(table.entity[~mask[modality]])


def test_rows_of_an_encoding_are_what_encoding_those_rows_gives(data: TrainingData, tmp_path: Path) -> None:
    fitted = encoder.fit(known.config(tmp_path), data.widths, data.items)
    rows = {m: t.validation for m, t in data.items.items()}
    chosen, alone = fitted.where(rows), {m: t.where(rows[m]) for m, t in data.items.items()}
    again = encoder.Encoded.of(fitted.resolver, alone)
    for modality in rows:
        np.testing.assert_allclose(chosen.embeddings[modality], again.embeddings[modality], atol=1e-6)
        assert np.array_equal(chosen.codes[modality], again.codes[modality])


def test_pairs_that_no_blocker_proposes_are_not_ranked_above_matches(
    data: TrainingData, tmp_path: Path
) -> None:
    """The scorer learns from candidates alone, and validation ranks all pairs."""
    assert train(known.config(tmp_path, "blocking.method=auto"), data).score > 0.8
