"""Calibration: log-odds that are wrong in a known way are put right, and order stays."""

from __future__ import annotations

import numpy as np

from xmer_spark.numerics.logistic import sigmoid
from xmer_spark.scoring.calibration import fit_calibration


def made_up_pairs(count: int, slope: float, offset: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds that are wrong in a known way, and the truth."""
    random = np.random.default_rng(0)
    log_odds = random.normal(-3, 2, count)
    return log_odds, random.random(count) < sigmoid(slope * log_odds + offset), np.ones(count)


def test_calibration_finds_out_what_is_wrong_with_the_log_odds() -> None:
    np.testing.assert_allclose(fit_calibration(*made_up_pairs(100_000, 1.3, 0.5)), [1.3, 0.5], atol=0.06)


def test_calibration_leaves_right_log_odds_alone() -> None:
    np.testing.assert_allclose(fit_calibration(*made_up_pairs(100_000, 1.0, 0.0)), [1.0, 0.0], atol=0.05)


def test_few_pairs_change_little() -> None:
    log_odds, _, weight = made_up_pairs(40, 1.0, 0.0)
    for truth in (np.zeros(40, bool), np.arange(40) < 3):
        slope, offset = fit_calibration(log_odds, truth, weight)
        assert 0.7 < slope < 1.4
        assert abs(offset) < 0.5


def test_calibration_never_turns_the_order_round() -> None:
    log_odds, truth, weight = made_up_pairs(10_000, -1.0, -6.0)
    assert fit_calibration(log_odds, truth, weight)[0] > 0


def test_a_pair_of_weight_three_counts_as_three_in_calibration() -> None:
    log_odds, truth, weight = made_up_pairs(500, 1.3, 0.5)
    thrice = (np.tile(part, 3) for part in (log_odds, truth, weight))
    np.testing.assert_allclose(
        fit_calibration(log_odds, truth, 3 * weight), fit_calibration(*thrice), atol=1e-4
    )
