"""Probabilities of scored pairs: the curve, calibration, the histogram, and what blocking kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmer_spark.steps.evaluate import blocking, probabilities
from xmer_spark.store.runs import Metric

scored = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30)


def measured(pairs: list[tuple[float, bool]], true: int) -> dict[str, Metric]:
    probability = np.array([p for p, _ in pairs])
    right = np.array([r for _, r in pairs], dtype=bool)
    found = probabilities.metrics("image-text", probability, right, true, 0.5, 0.95)
    return {metric.name.removesuffix("/image-text"): metric for metric in found}


def test_a_case_worked_by_hand() -> None:
    found = measured([(0.9, True), (0.8, False), (0.2, True)], true=4)
    assert found["threshold"].value == 0.5
    # Two of four true pairs were scored: precision 1 at recall 1/4, 2/3 at recall 2/4.
    assert found["average_precision"].value == pytest.approx(1 / 4 + 2 / 3 / 4)
    assert found["average_precision"].detail == {
        "threshold": [0.9, 0.8, 0.2],
        "precision": [1.0, 1 / 2, 2 / 3],
        "recall": [1 / 4, 1 / 4, 2 / 4],
    }
    assert found["brier"].value == pytest.approx((0.1**2 + 0.8**2 + 0.8**2) / 3)
    assert found["scored_pairs"].value == 3


@given(scored)
def test_no_pair_is_lost_in_the_histogram_or_in_the_bins(pairs: list[tuple[float, bool]]) -> None:
    true = sum(right for _, right in pairs)
    found = measured(pairs, true + 1)
    histogram, bins = found["scored_pairs"].detail, found["calibration_error"].detail
    assert histogram is not None
    assert bins is not None
    assert (sum(histogram["right"]), sum(histogram["wrong"])) == (true, len(pairs) - true)
    assert len(histogram["edges"]) == len(histogram["right"]) + 1
    assert sum(bins["count"]) == len(pairs)
    assert bins["observed"] @ np.array(bins["count"]) == pytest.approx(true)
    json.dumps([metric.detail for metric in found.values()])


def test_where_nothing_was_scored_the_curve_says_that_everything_was_missed() -> None:
    found = measured([], true=3)
    assert set(found) == {"threshold", "average_precision"}
    assert found["average_precision"].value == 0.0


def test_where_there_is_neither_a_scored_nor_a_true_pair_nothing_is_said() -> None:
    assert measured([], true=0) == {}


def test_the_kept_share_of_true_pairs_has_wilsons_interval() -> None:
    (metric,) = blocking.kept("image-text", np.arange(100) < 95, 0.95)
    assert (metric.name, metric.value, metric.detail) == ("blocking_recall/image-text", 0.95, {"pairs": 100})
    assert metric.low == pytest.approx(0.8882, abs=1e-4)
    assert list(blocking.kept("image-text", np.zeros(0, dtype=bool), 0.95)) == []


def test_the_spared_share_is_of_the_pairs_of_the_sources_that_were_compared() -> None:
    metric = blocking.spared("text-text", {("a", "b"): 5, ("b", "b"): 1}, {"a": 4, "b": 3, "c": 100})
    assert metric.name == "blocking_reduction/text-text"
    assert metric.detail == {"candidates": 6, "possible": 4 * 3 + 3}
    assert metric.value == pytest.approx(1 - 6 / 15)
