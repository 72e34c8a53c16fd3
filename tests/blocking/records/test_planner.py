"""What the planner predicts for blockers of records, beside what happens, with labels and without."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.blocking.records.world import blocker, products, things
from xmer_spark.blocking.records import planner
from xmer_spark.blocking.records.base import Records
from xmer_spark.blocking.records.certain import certain_pairs
from xmer_spark.blocking.records.joint import all_pairs
from xmer_spark.blocking.records.planner import Sample, choose, options, predict

SIZE = 600
LEFT, RIGHT = products(SIZE, 1), products(SIZE, 2, first_key=1)
PLACE = np.argsort(things(RIGHT))[things(LEFT)]
TRUTH = (np.arange(SIZE), PLACE)
WHOLE = Sample(LEFT, RIGHT, SIZE, SIZE, TRUTH)


def half() -> Sample:
    rows = np.sort(np.random.default_rng(0).permutation(SIZE)[: SIZE // 2])
    truth = (np.arange(len(rows)), np.arange(len(rows)))
    return Sample(LEFT.take(rows), RIGHT.take(PLACE[rows]), SIZE, SIZE, truth)


@pytest.mark.parametrize("name", ["rules", "tokens", "sorted_neighbourhood", "nearest_codes", "codes"])
def test_predictions_from_half_of_the_records_come_true(name: str) -> None:
    changes = {"top": 10} if name == "tokens" else {}
    one = blocker(name, **changes)
    sample = half()
    found = predict(one, sample, sample.true_pairs())
    pairs = all_pairs([one.fit(LEFT, RIGHT)], LEFT, RIGHT)
    recall = (PLACE[pairs.left] == pairs.right).sum() / SIZE
    assert found.recall == pytest.approx(recall, abs=0.06)
    assert len(pairs.left) / 1.5 < found.pairs < 1.5 * len(pairs.left)


def test_what_a_whole_sample_says_is_what_happens() -> None:
    one = blocker("tokens")
    found = predict(one, WHOLE, WHOLE.true_pairs())
    pairs = all_pairs([one.fit(LEFT, RIGHT)], LEFT, RIGHT)
    assert found.pairs == len(pairs.left)
    assert found.recall == (PLACE[pairs.left] == pairs.right).sum() / SIZE


def test_of_lists_that_cost_little_it_is_the_one_that_keeps_most() -> None:
    choice = choose(options(LEFT, RIGHT), WHOLE, 0.5, 1e6)
    kept = np.logical_or.reduce([choice.predictions[name].kept for name in choice.names]).mean()
    cheap = [p for p in choice.predictions.values() if p.pairs <= 30 * 2 * SIZE]
    assert kept >= max(p.recall for p in cheap) > 0.9
    assert sum(choice.predictions[name].pairs for name in choice.names) <= 30 * 2 * SIZE
    assert "costs little" in choice.reason


def test_the_chosen_list_keeps_what_is_wanted_and_no_cheaper_blocker_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planner, "_SOON", 0.0)  # nothing costs little
    blockers = options(LEFT, RIGHT)
    choice = choose(blockers, WHOLE, 0.95, 1e6)
    found = all_pairs([blockers[name].fit(LEFT, RIGHT) for name in choice.names], LEFT, RIGHT)
    assert (PLACE[found.left] == found.right).sum() / SIZE >= 0.95
    seconds = sum(choice.predictions[name].seconds for name in choice.names)
    for prediction in choice.predictions.values():
        assert prediction.recall < 0.95 or prediction.seconds >= seconds
    assert "labelled pairs" in choice.reason


def test_it_says_when_no_list_keeps_enough_or_there_is_nothing_to_judge_by() -> None:
    few = {"rules": blocker("rules")}
    choice = choose(few, WHOLE, 0.99, 1e6)
    assert choice.names == ["rules"]
    assert "less than wanted" in choice.reason
    assert choose(few, WHOLE, 0.99, 1).names == []
    nothing = Sample(LEFT.take(np.arange(0)), RIGHT, SIZE, SIZE)
    assert "no pairs to judge" in choose(few, nothing, 0.99, 1e6).reason


def test_options_are_of_the_fields_that_both_sources_have() -> None:
    names = {name.partition(" ")[0] for name in options(LEFT, RIGHT)}
    assert names == {"canopy", "codes", "nearest_codes", "rules", "sorted_neighbourhood", "tokens"}
    other = Records(RIGHT.keys, RIGHT.table.select(["brand"]).rename_columns({"brand": "maker"}))
    assert options(LEFT, other) == {}


def test_certain_pairs_are_hardly_ever_wrong() -> None:
    i, j = certain_pairs(LEFT, RIGHT)
    assert len(i) > 0.5 * SIZE
    assert (PLACE[i] == j).mean() > 0.97
    twice = products(SIZE, 5, things=SIZE // 2)
    i, j = certain_pairs(twice)
    assert (i < j).all()
    assert len(i) > 0.25 * SIZE
    assert (things(twice)[i] == things(twice)[j]).mean() > 0.97


def test_without_labels_the_choice_is_judged_by_certain_pairs() -> None:
    blockers = options(LEFT, RIGHT)
    choice = choose(blockers, Sample(LEFT, RIGHT, SIZE, SIZE), 0.95, 1e6)
    found = all_pairs([blockers[name].fit(LEFT, RIGHT) for name in choice.names], LEFT, RIGHT)
    assert "certain pairs" in choice.reason
    assert (PLACE[found.left] == found.right).mean() > 0.02
    assert (PLACE[found.left] == found.right).sum() / SIZE > 0.7


def coded(codes: np.ndarray, first_key: int) -> Records:
    keys = np.arange(len(codes), dtype=np.int64) * 2 + first_key
    column = pa.array(codes.view(np.int64).tolist(), pa.list_(pa.int64()))
    return Records(keys, pa.table({"record_key": keys, "photo/code": column}))


def test_of_many_records_near_codes_are_not_found_by_looking_at_all() -> None:
    """True pairs differ in a tenth of their bits: a few records are best compared with all others."""
    random = np.random.default_rng(0)
    bits = random.integers(0, 2, (500, 128), dtype=np.uint8)
    sides = (bits, bits ^ (random.random(bits.shape) < 0.1))
    left, right = (coded(np.packbits(side, axis=1).view(np.uint64), key) for key, side in enumerate(sides))
    truth = (np.arange(500), np.arange(500))
    seconds = {}
    for size in (500, 500_000):
        blockers = options(left, right)
        choice = choose(blockers, Sample(left, right, size, size, truth), 0.95, 1e9)
        (name,) = choice.names
        seconds[size] = choice.predictions[name].seconds
        assert choice.predictions[name].recall >= 0.95
    method, settings = (getattr(blockers[name], part) for part in ("method", "settings"))
    assert (method, "max_distance" in settings) == ("bands", True)
    assert seconds[500] < 1 < seconds[500_000] < 60
