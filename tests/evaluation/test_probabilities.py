"""Precision-recall curves, calibration and blocking measures of scored pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss
from sklearn.metrics import precision_recall_curve as reference

from xmer_spark.evaluation.blocking import reduction_ratio
from xmer_spark.evaluation.calibration import brier, reliability
from xmer_spark.evaluation.curves import precision_recall_curve

scored = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.4, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=40
).filter(lambda pairs: any(true for _, true in pairs))


@settings(max_examples=60, deadline=None)
@given(scored)
def test_the_curve_agrees_with_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    scores, true = (np.array(column) for column in zip(*pairs, strict=True))
    curve = precision_recall_curve(scores, true)
    precision, recall, threshold = reference(true, scores)
    assert curve.threshold[::-1].tolist() == threshold.tolist()
    assert curve.precision[::-1] == pytest.approx(precision[:-1])
    assert curve.recall[::-1] == pytest.approx(recall[:-1])
    assert curve.average_precision == pytest.approx(average_precision_score(true, scores))


@settings(max_examples=60, deadline=None)
@given(scored, st.integers(0, 20))
def test_true_pairs_that_were_never_scored_lower_recall_and_nothing_else(
    pairs: list[tuple[float, bool]], missed: int
) -> None:
    scores, true = (np.array(column) for column in zip(*pairs, strict=True))
    full, short = precision_recall_curve(scores, true), precision_recall_curve(scores, true, missed)
    assert np.array_equal(full.precision, short.precision)
    assert short.recall == pytest.approx(full.recall * true.sum() / (true.sum() + missed))


def test_a_thinned_curve_keeps_both_ends_and_no_more_points_than_asked() -> None:
    curve = precision_recall_curve(np.linspace(0, 1, 5000), np.arange(5000) % 3 == 0)
    thin = curve.thinned(100)
    assert len(thin.threshold) == 100
    assert (thin.threshold[0], thin.threshold[-1]) == (1.0, 0.0)
    assert len(precision_recall_curve(np.array([0.5]), np.array([True])).thinned().recall) == 1


def test_probabilities_that_come_true_as_often_as_they_say_have_a_small_error() -> None:
    random = np.random.default_rng(3)
    probability = random.beta(0.4, 1.2, size=50_000)
    honest = reliability(probability, random.random(50_000) < probability)
    flattering = reliability(np.sqrt(probability), random.random(50_000) < probability)
    assert honest.count.tolist() == [5000] * 10
    assert honest.expected_calibration_error < 0.01 < 0.1 < flattering.expected_calibration_error
    assert ((honest.low <= honest.observed) & (honest.observed <= honest.high)).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=50), st.integers(1, 12))
def test_no_pair_is_lost_between_bins_and_order_does_not_matter(
    pairs: list[tuple[float, bool]], bins: int
) -> None:
    table = np.array(pairs, dtype=np.float64).reshape(len(pairs), 2)
    curve = reliability(table[:, 0], table[:, 1].astype(bool), bins)
    again = reliability(table[::-1, 0], table[::-1, 1].astype(bool), bins)
    assert curve.count.sum() == len(pairs)
    assert len(curve.count) <= bins
    assert np.array_equal(curve.count, again.count)
    shares = np.stack([curve.low, curve.observed, curve.high])
    assert (np.diff(shares, axis=0) >= 0).all()
    assert curve.count @ curve.observed == pytest.approx(table[:, 1].sum())
    assert curve.count @ curve.probability == pytest.approx(table[:, 0].sum())


def test_equal_probabilities_share_a_bin() -> None:
    curve = reliability(np.array([0.2] * 6 + [0.8] * 4), np.array([True] * 3 + [False] * 3 + [True] * 4))
    assert curve.count.tolist() == [6, 4]
    assert curve.expected_calibration_error == pytest.approx(0.6 * 0.3 + 0.4 * 0.2)


def test_bins_of_equal_width_show_the_rare_high_probabilities() -> None:
    probability = np.array([0.01] * 97 + [0.5, 0.92, 0.98])
    curve = reliability(probability, probability > 0.4, 10, equal="width")
    assert curve.count.tolist() == [97, 1, 2]
    assert curve.probability == pytest.approx([0.01, 0.5, 0.95])


def test_the_brier_score_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(4)
    probability, true = random.random(100), random.random(100) < 0.5
    assert brier(probability, true) == pytest.approx(brier_score_loss(true, probability))


def test_the_share_of_comparisons_spared_is_that_of_known_counts() -> None:
    assert reduction_ratio(30, 40) == 0.25
    assert reduction_ratio(0, 0) == 0.0
    with pytest.raises(ValueError, match="11 candidates cannot come from 10"):
        reduction_ratio(11, 10)
