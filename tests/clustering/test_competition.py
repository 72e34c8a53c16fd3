"""Competition: rivals share what one of them can have."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmer_spark.clustering.competition import decide, learnt_slack
from xmer_spark.clustering.odds import relative_to
from xmer_spark.errors import XmerError


def some_matches(seed: int, items: int, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    left, right = np.divmod(np.flatnonzero(random.random(items * items) < share), items)
    return left * 7919 - 500, right * 104729, random.random(len(left))


matches = st.builds(some_matches, st.integers(0, 10_000), st.integers(1, 9), st.sampled_from([0.1, 0.4, 1.0]))
once = st.tuples(st.booleans(), st.booleans())


@given(matches, once, st.integers(0, 99))
@settings(deadline=None)
def test_the_order_of_the_matches_changes_no_bit(
    given: tuple[np.ndarray, np.ndarray, np.ndarray], once: tuple[bool, bool], seed: int
) -> None:
    left, right, probability = given
    shuffled = np.random.default_rng(seed).permutation(len(left))
    decided = decide(left, right, probability, *once)
    again = decide(left[shuffled], right[shuffled], probability[shuffled], *once)
    np.testing.assert_array_equal(again, decided[shuffled])
    turned = decide(right, left, probability, once[1], once[0])
    np.testing.assert_array_equal(turned, decided)


@given(matches, once)
@settings(deadline=None)
def test_rivals_only_take_away(
    given: tuple[np.ndarray, np.ndarray, np.ndarray], once: tuple[bool, bool]
) -> None:
    left, right, probability = given
    decided = decide(left, right, probability, *once)
    assert (decided >= 0).all()
    assert (decided <= np.maximum(probability, 1e-6) + 1e-9).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_where_one_side_is_once_partners_share_one_certainty_with_having_none(given: list[float]) -> None:
    probability = np.array(given)
    item, partners = np.zeros(len(given), int), np.arange(len(given))
    odds = np.clip(probability, 1e-6, 1 - 1e-6) / (1 - np.clip(probability, 1e-6, 1 - 1e-6))
    decided = decide(partners, item, probability, left_once=True, right_once=False)
    np.testing.assert_allclose(decided, odds / (1 + odds.sum()), atol=1e-6)
    left_alone = decide(partners, item, probability, left_once=False, right_once=True)
    np.testing.assert_allclose(left_alone, probability, atol=2e-6)


def test_without_circles_it_is_the_share_of_matchings_that_have_the_match() -> None:
    left, right = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 2, 2])
    probability = np.array([0.9, 0.6, 0.7, 0.2, 0.95])
    np.testing.assert_allclose(
        decide(left, right, probability), marginals(left, right, probability), atol=1e-6
    )


def marginals(left: np.ndarray, right: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """By going through all sets of matches in which nobody has two partners."""
    odds, total, having = probability / (1 - probability), 0.0, np.zeros(len(left))
    for size in range(len(left) + 1):
        for chosen in map(list, combinations(range(len(left)), size)):
            if len(set(left[chosen])) == size == len(set(right[chosen])):
                weight = odds[chosen].prod()
                total += weight
                having[chosen] += weight
    return having / total


def test_a_match_alone_keeps_its_probability_and_a_dominated_rival_loses() -> None:
    left, right = np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])
    decided = decide(left, right, np.array([0.7, 0.99, 0.6, 0.9]))
    assert decided[0] == pytest.approx(0.7)
    assert decided[1] > 0.95
    assert decided[2] < 0.05


def test_a_component_does_not_hang_on_others() -> None:
    left, right, probability = some_matches(3, 6, 0.5)
    alone = decide(left, right, probability)
    more = some_matches(4, 6, 0.5)
    both = decide(*(np.concatenate([a, b + shift]) for a, b, shift in zip(
        (left, right, probability), more, (10**7, 10**7, 0), strict=True)))  # fmt: skip
    np.testing.assert_array_equal(both[: len(left)], alone)


def doubtful(partnered: int, items: int = 60, rivals: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items of which the first have a partner that is twice as likely as each of the rivals that all have."""
    random = np.random.default_rng(0)
    left, right = np.divmod(np.flatnonzero(random.random(items * items) < rivals / items), items)
    left, right = (np.r_[np.arange(items), side[left != right]] for side in (left, right))
    partner = (left == right) & (left < partnered)
    return left, right, np.where(partner, 0.6, 0.02)


def test_where_nearly_all_have_a_partner_having_none_becomes_unlikely() -> None:
    all_have, few_have = learnt_slack(*doubtful(60)), learnt_slack(*doubtful(6))
    assert all_have < -4
    assert all_have < few_have <= 0
    left, right, probability = doubtful(60)
    assert (decide(left, right, probability, slack=all_have)[:60] > 0.7).all()
    assert decide(left, right, probability)[:60].max() < 0.6 + 1e-9


@given(matches, once, st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_the_learnt_slack_does_not_hang_on_the_order_of_the_matches(
    given: tuple[np.ndarray, np.ndarray, np.ndarray], once: tuple[bool, bool], seed: int
) -> None:
    left, right, probability = given
    shuffled = np.random.default_rng(seed).permutation(len(left))
    learnt = learnt_slack(left, right, probability, *once)
    assert learnt_slack(left[shuffled], right[shuffled], probability[shuffled], *once) == learnt
    assert -8 <= learnt <= 0


def test_where_neither_side_is_once_nothing_changes() -> None:
    probability = np.array([0.0, 1.0, 0.3])
    decided = decide(np.zeros(3, int), np.arange(3), probability, left_once=False, right_once=False)
    np.testing.assert_array_equal(decided, probability)


def test_certain_rivals_settle() -> None:
    left, right = np.divmod(np.arange(9), 3)
    decided = decide(left, right, np.where(left == right, 1.0, 0.99))
    assert (decided[left == right] > 0.9).all()
    assert np.bincount(left, decided).max() < 1.02


def test_two_matches_between_the_same_items_are_an_error() -> None:
    with pytest.raises(XmerError, match="same two items"):
        decide(np.array([1, 1]), np.array([2, 2]), np.array([0.1, 0.2]))


def test_no_matches_are_none() -> None:
    assert decide(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_probabilities_relative_to_a_threshold_keep_order_and_side(values: list[float], limit: float) -> None:
    p = np.array(values)
    found = relative_to(p, np.full(len(p), limit))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found[np.argsort(p, kind="stable")]) >= 0).all()
    clear = np.abs(p - limit) > 1e-9
    assert np.array_equal((found >= 0.5)[clear], (p >= limit)[clear])
    np.testing.assert_allclose(relative_to(p, np.full(len(p), 0.5)), p, atol=1e-12)
