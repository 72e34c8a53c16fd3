"""Intervals: Wilson's for a proportion, the bootstrap for everything else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from xmer_spark.evaluation.bcubed import bcubed_measures, bcubed_statistics
from xmer_spark.evaluation.bootstrap import bootstrap, mean_statistics, means
from xmer_spark.evaluation.pairs import pair_measures, pair_statistics
from xmer_spark.numerics.intervals import wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (999, 1000)])
def test_wilsons_interval_agrees_with_scipy(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson(successes, trials) == pytest.approx((successes / trials, expected.low, expected.high))


def test_more_successes_than_trials_are_an_error() -> None:
    with pytest.raises(ValueError, match="between 0 and the 3 trials"):
        wilson(4, 3)


def test_the_interval_of_a_mean_over_single_queries_matches_theory() -> None:
    hits = np.random.default_rng(5).random(2000) < 0.6
    (recall,) = bootstrap(mean_statistics(hits, np.arange(2000)), means, samples=4000)
    theory = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / 2000)
    assert recall.value == pytest.approx(hits.mean())
    assert (recall.high - recall.low) / 2 == pytest.approx(theory, rel=0.05)


def test_queries_of_one_entity_are_drawn_together() -> None:
    hits = np.random.default_rng(6).random(400) < 0.5
    (single,) = bootstrap(mean_statistics(hits, np.arange(400)), means)
    (copied,) = bootstrap(mean_statistics(np.repeat(hits, 9), np.repeat(np.arange(400), 9)), means)
    assert copied == pytest.approx(single)


def test_several_measures_are_drawn_at_once_and_a_seed_gives_the_same_interval_again() -> None:
    random = np.random.default_rng(7)
    values = random.random((300, 3))
    statistics = mean_statistics(values, random.integers(50, size=300))
    first, again, other = (bootstrap(statistics, means, seed=seed) for seed in (1, 1, 2))
    assert [e.value for e in first] == pytest.approx(values.mean(axis=0).tolist())
    assert first == again != other


def test_samples_drawn_in_small_blocks_are_as_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = mean_statistics(np.arange(100.0), np.arange(100))
    (at_once,) = bootstrap(statistics, means)
    monkeypatch.setattr("xmer_spark.evaluation.bootstrap._CELLS", 700)
    (in_blocks,) = bootstrap(statistics, means)
    assert in_blocks == at_once


def test_pair_and_bcubed_intervals_hold_the_value_and_cover_the_truth_most_of_the_time() -> None:
    # Each entity has four records; a record strays into the next entity's cluster with probability 0.2.
    def draw(entities: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        truth = np.repeat(np.arange(entities), 4)
        strays = np.random.default_rng(seed).random(len(truth)) < 0.2
        return np.where(strays, (truth + 1) % entities, truth), truth

    clusters, truth = draw(20_000, 0)
    long_run = (
        pair_measures(pair_statistics(clusters, truth).sum(axis=0))[2],
        bcubed_measures(bcubed_statistics(clusters, truth).sum(axis=0))[2],
    )
    covered = np.zeros(2)
    for seed in range(1, 41):
        clusters, truth = draw(150, seed)
        pair = bootstrap(pair_statistics(clusters, truth), pair_measures, samples=200)[2]
        cubed = bootstrap(bcubed_statistics(clusters, truth), bcubed_measures, samples=200)[2]
        assert pair.low <= pair.value <= pair.high
        covered += [pair.low <= long_run[0] <= pair.high, cubed.low <= long_run[1] <= cubed.high]
    assert (covered >= 34).all()


def test_statistics_of_no_entity_are_an_error() -> None:
    with pytest.raises(ValueError, match="no entity to draw"):
        bootstrap(np.zeros((0, 3)), pair_measures)
