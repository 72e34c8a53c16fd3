"""Champion and challenger: the better one on the records that both can read, whatever else either knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.steps.train import known
from xmer_spark.errors import XmerError
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.judgement import Verdict, compare
from xmer_spark.steps.train.trainer import Trained, train


def noisy(data: TrainingData) -> TrainingData:
    """The same items as extractors see them that tell little."""
    random = np.random.default_rng(2)
    items = {
        m: replace(t, vectors=t.vectors + 6 * random.standard_normal(t.vectors.shape).astype(np.float32))
        for m, t in data.items.items()
    }
    return replace(data, items=items)


def without(data: TrainingData, modality: str) -> TrainingData:
    items = {m: t for m, t in data.items.items() if m != modality}
    return replace(data, items=items, widths={m: data.widths[m] for m in items})


def test_the_better_of_two_is_champion_either_way_round(
    trained: Trained, data: TrainingData, tmp_path: Path
) -> None:
    worse_data = noisy(data)
    worse = train(known.config(tmp_path), worse_data)
    config = known.config(tmp_path)
    found = compare(config, [trained.judged, worse.judged], [data, worse_data])
    assert found.promotes
    assert found.challenger is not None
    assert found.champion is not None
    assert found.challenger > found.champion + 0.2
    assert compare(config, [worse.judged, trained.judged], [worse_data, data]) == Verdict(
        found.champion, found.challenger
    )


def test_the_challenger_replaces_its_equal(trained: Trained, data: TrainingData, tmp_path: Path) -> None:
    found = compare(known.config(tmp_path), [trained.judged] * 2, [data] * 2)
    assert found.challenger == found.champion
    assert found.promotes


def test_both_are_judged_on_the_records_that_both_can_read(
    trained: Trained, data: TrainingData, tmp_path: Path
) -> None:
    fewer = {m: t.where(~t.validation | (t.entity % 2 == 0)) for m, t in data.items.items()}
    found = compare(known.config(tmp_path), [trained.judged] * 2, [data, replace(data, items=fewer)])
    assert found.challenger == found.champion
    both = compare(known.config(tmp_path), [trained.judged] * 2, [replace(data, items=fewer)] * 2)
    assert found == both


def test_items_that_no_validation_record_has_change_no_judgement(
    trained: Trained, data: TrainingData, tmp_path: Path
) -> None:
    fewer = {m: t.where(t.validation) for m, t in data.items.items()}
    found = compare(known.config(tmp_path), [trained.judged] * 2, [data, replace(data, items=fewer)])
    assert found.challenger == found.champion


def test_what_only_one_of_them_can_rank_counts_as_nothing_for_the_other(
    trained: Trained, data: TrainingData, tmp_path: Path
) -> None:
    pictures = without(data, "text")
    narrow = train(known.config(tmp_path), pictures)
    found = compare(known.config(tmp_path), [trained.judged, narrow.judged], [data, pictures])
    assert found.promotes
    assert found.champion is not None
    # Two of twelve directions between sources are of pictures alone.
    assert found.champion <= 2 / 12


def test_without_a_record_that_both_can_read_there_is_nothing_to_judge_by(
    trained: Trained, data: TrainingData, tmp_path: Path
) -> None:
    either = [{m: t.where(t.entity % 2 == rest) for m, t in data.items.items()} for rest in (0, 1)]
    parts = [replace(data, items=items) for items in either]
    with pytest.raises(XmerError, match="no validation record by which champion and challenger"):
        compare(known.config(tmp_path), [trained.judged] * 2, parts)


@pytest.mark.parametrize(
    ("challenger", "champion", "promotes"),
    [(0.5, 0.4, True), (0.4, 0.5, False), (0.5, 0.5, True), (None, None, True)],
)
def test_a_model_resolves_unless_the_one_before_it_is_better(
    challenger: float | None, champion: float | None, promotes: bool
) -> None:
    assert Verdict(challenger, champion).promotes == promotes
