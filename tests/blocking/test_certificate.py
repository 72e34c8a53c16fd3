"""The certificate's interval covers the truth as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from xmer_spark.blocking.certificate import certificate, effective_pairs


def population(seed: int, recall: float, alike: float, items: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Pairs above the threshold of each item and those kept; the more ``alike``, the more of one fate."""
    generator = np.random.default_rng(seed)
    total = generator.negative_binomial(1, 0.3, items)
    chance = generator.beta(recall / alike, (1 - recall) / alike, items)
    return total, generator.binomial(total, chance)


@pytest.mark.parametrize(
    ("recall", "alike", "sample"),
    [(0.9, 1.0, 300), (0.97, 0.5, 200), (0.7, 5.0, 150), (0.9, 0.01, 100), (0.995, 2.0, 400)],
)
def test_the_interval_covers_the_exhaustive_share_in_95_of_100_samples(
    recall: float, alike: float, sample: int
) -> None:
    total, kept = population(0, recall, alike)
    truth = kept.sum() / total.sum()
    covered = 0
    for seed in range(100):
        drawn = np.random.default_rng(seed).choice(len(total), sample, replace=False)
        found = certificate(total[drawn], kept[drawn])
        covered += found.low <= truth <= found.high
    assert covered >= 95


def test_pairs_of_one_item_count_for_less_the_more_they_are_alike() -> None:
    alike, independent = (population(1, 0.9, a, 500) for a in (5.0, 0.001))
    assert effective_pairs(*alike) < 0.6 * alike[0].sum()
    assert effective_pairs(*independent) > 0.8 * independent[0].sum()


def test_where_everything_was_kept_each_item_counts_once() -> None:
    found = certificate(np.array([30, 0, 10, 5]), np.array([30, 0, 10, 5]))
    assert found.share == found.high == 1
    assert 0 < found.low < 0.5
    assert (found.items, found.pairs) == (4, 45)


def test_nothing_above_the_threshold_says_nothing() -> None:
    assert certificate(np.zeros(5, int), np.zeros(5, int))[:3] == (1.0, 0.0, 1.0)


def test_more_kept_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="kept <= total"):
        certificate(np.array([1, 2]), np.array([1, 3]))
