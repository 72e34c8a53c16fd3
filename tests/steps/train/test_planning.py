"""The planner's choice among real blockers, and the certificate against the exhaustive truth."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from xmer_spark.blocking.planner import Population
from xmer_spark.config import Blocking
from xmer_spark.errors import XmerError
from xmer_spark.steps.train import planning


def population(flipped: int, n: int = 400, size: int = 2000) -> Population:
    """Random codes of 64 bits; of each true pair so many bits differ."""
    random = np.random.default_rng(0)
    left, right = (random.integers(0, 2**63, (n, 1), dtype=np.uint64) for _ in range(2))
    partner = left.copy()
    for row in partner:
        for bit in random.choice(64, flipped, replace=False):
            row[0] ^= np.uint64(1) << np.uint64(bit)
    return Population(left, right, size, size, left, partner, 100)


def test_near_pairs_get_a_blocker_of_few_candidates_and_far_ones_a_wider() -> None:
    plans = [
        planning.decide("image-text", population(flipped), Blocking(target_recall=0.95), 4e6)
        for flipped in (3, 22)
    ]
    assert all(plan.recall is not None and plan.recall >= 0.95 for plan in plans)
    pairs = [plan.pairs for plan in plans]
    assert pairs[0] is not None
    assert pairs[1] is not None
    assert pairs[0] < 0.01 * 4e6 < pairs[1]


def test_a_target_that_no_blocker_meets_is_said_and_the_best_affordable_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = Blocking(target_recall=1.0, max_pairs=100_000)
    with caplog.at_level(logging.WARNING):
        plan = planning.decide("image-text", population(24), settings, 4e6)
    assert "no blocker meets recall 1 within 100,000 pairs" in caplog.text
    assert plan.pairs is not None
    assert plan.pairs <= 100_000


def test_where_even_the_smallest_is_too_much_the_error_says_what_to_raise() -> None:
    with pytest.raises(XmerError, match=r"raise blocking\.max_pairs"):
        planning.decide("image-text", population(3), Blocking(max_pairs=1), 4e6)


def test_a_pair_of_modalities_may_have_a_method_of_its_own() -> None:
    settings = Blocking(
        method="bands",
        parameters={"bands": {"tables": 4}, "image-text": {"method": "scan", "max_distance": 0.4}},
    )
    assert planning.configured(settings, "image-text") == planning.Plan("scan", {"max_distance": 0.4})
    assert planning.configured(settings, "text-text") == planning.Plan("bands", {"tables": 4})
