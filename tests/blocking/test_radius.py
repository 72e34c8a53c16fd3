"""The radius join: exact whatever the substrings, the radius and the data."""

from __future__ import annotations

from copy import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.blocking.coded import all_pairs
from xmer_spark.blocking import REGISTRY
from xmer_spark.blocking.allocation import Allocation, allocate, uniform_allocation
from xmer_spark.blocking.base import Coded
from xmer_spark.blocking.bits import flip_masks, octets, take_bits
from xmer_spark.blocking.buckets import hot_buckets
from xmer_spark.blocking.radius import Radius
from xmer_spark.errors import ConfigError

SEEDS = st.integers(0, 1000)


def codes_near_each_other(seed: int, n: int, words: int, flips: int) -> np.ndarray:
    """Codes around three centres, some of them equal."""
    generator = np.random.default_rng(seed)
    bits = generator.integers(0, 2, (3, words * 64), np.uint8)[generator.integers(0, 3, n)]
    for row in range(0, n, 2):
        bits[row, generator.integers(0, words * 64, flips)] ^= 1
    return np.packbits(bits, axis=1, bitorder="little").view(np.uint64).reshape(n, words)


def brute_force(left: np.ndarray, right: np.ndarray, radius: int) -> set[tuple[int, int]]:
    differing = np.bitwise_count(left[:, None] ^ right).sum(axis=2)
    return set(zip(*(side.tolist() for side in np.nonzero(differing <= radius)), strict=True))


def joined(blocker: Radius, left: Coded, right: Coded, partitions: int) -> list[tuple[int, int]]:
    """What all partitions find together, each from what it was sent alone."""
    sent = [
        blocker.destinations("left", *left, partitions),
        blocker.destinations("right", *right, partitions),
    ]
    found: list[tuple[int, int]] = []
    for partition in range(partitions):
        rows = [np.flatnonzero(s[:, partition]) for s in sent]
        sides = [Coded(s.keys[r], s.codes[r]) for s, r in zip((left, right), rows, strict=True)]
        for i, j in blocker.local_pairs(sides[0], sides[1], partition, partitions):
            found += zip(rows[0][i].tolist(), rows[1][j].tolist(), strict=True)
    return found


@given(
    SEEDS,
    st.tuples(st.integers(0, 40), st.integers(0, 40)),
    st.integers(1, 3),
    st.sampled_from([0, 1, 2, 3, 5, 9, 21, 40, 64]),
    st.sampled_from([None, 1, 2, 3, 4, 7, 30, 64]),
    st.integers(1, 7),
)
@settings(max_examples=40, deadline=None)
def test_all_pairs_within_the_radius_are_found_once_by_any_number_of_partitions(
    seed: int, sizes: tuple[int, int], words: int, radius: int, substrings: int | None, partitions: int
) -> None:
    left, right = (codes_near_each_other(seed, n, words, radius) for n in sizes)
    blocker = Radius(radius, substrings, seed=seed)
    sides = [Coded(np.arange(len(c)) + 1000 * s, c) for s, c in enumerate((left, right))]
    found = joined(blocker, sides[0], sides[1], partitions)
    assert len(found) == len(set(found))
    assert set(found) == brute_force(left, right, radius)
    aligned = np.arange(min(sizes))
    assert blocker.hits(left, right, aligned, aligned).tolist() == [
        (k, k) in set(found) for k in range(min(sizes))
    ]


@given(SEEDS, st.sampled_from([0, 2, 6]), st.integers(1, 6), st.booleans())
@settings(max_examples=8, deadline=None)
def test_tuning_to_the_data_changes_no_pair(seed: int, radius: int, partitions: int, skewed: bool) -> None:
    left, right = (codes_near_each_other(seed + s, 60, 1, radius) for s in (0, 0))
    if skewed:  # the lower half of most codes is one value
        left[:50] &= np.uint64(0xFFFF_FFFF_0000_0000)
        right[5:] &= np.uint64(0xFFFF_FFFF_0000_0000)
    sides = [Coded(np.arange(len(c)) + 1000 * s, c) for s, c in enumerate((left, right))]
    tuned = Radius(radius).tuned(left, right, 60, partitions)
    found = joined(tuned, sides[0], sides[1], partitions)
    assert len(found) == len(set(found))
    assert set(found) == brute_force(left, right, radius)


@given(SEEDS, st.integers(2, 6), st.sampled_from(["radius", "bands"]))
@settings(max_examples=8, deadline=None)
def test_a_hot_bucket_is_shared_out_over_the_partitions(seed: int, partitions: int, method: str) -> None:
    parameters = {"radius": {"radius": 3, "substrings": 4}, "bands": {"tables": 4, "bits": 12, "flips": 1}}
    blocker = REGISTRY.build(method, parameters[method])
    generator = np.random.default_rng(seed)
    left, right = (generator.integers(0, 2**64, (200, 1), np.uint64) for _ in range(2))
    for position in blocker.layout(64)[1].positions:  # one table's bits are zero in half of the items
        left[:100] &= ~np.uint64(1 << int(position))
        right[:100] &= ~np.uint64(1 << int(position))
    hot = copy(blocker)
    hot.hot = hot_buckets(list(zip(blocker.buckets(left), blocker.buckets(right), strict=True)), partitions)
    assert [len(buckets) for buckets in hot.hot] == [0, 1, 0, 0]
    sides = [Coded(np.arange(len(c)) + 1000 * s, c) for s, c in enumerate((left, right))]
    assert sorted(joined(hot, sides[0], sides[1], partitions)) == sorted(
        joined(blocker, sides[0], sides[1], 1)
    )
    shares = hot.destinations("left", *sides[0], partitions)[:100]
    assert (shares.any(axis=0)).all()


def in_one_bucket(blocker: Radius) -> tuple[np.ndarray, np.ndarray]:
    """Sides of which a fifth agrees in one of the substrings, in the bits of which it is 0."""
    generator = np.random.default_rng(0)
    left, right = (generator.integers(0, 2**64, (2000, 1), np.uint64) for _ in range(2))
    for position in blocker.layout(64)[0].positions:
        left[:400] &= ~np.uint64(1 << int(position))
        right[-400:] &= ~np.uint64(1 << int(position))
    return left, right


def compared(blocker: Radius, left: np.ndarray, right: np.ndarray) -> int:
    """Pairs that meet, each as often as it does."""
    pairs = 0
    for table, a, b in zip(blocker.layout(64), blocker.buckets(left), blocker.buckets(right), strict=True):
        pairs += int((np.bitwise_count(a[:, None] ^ b) <= table.flips).sum())
    return pairs


def test_bits_in_which_many_codes_agree_are_shared_out_anew() -> None:
    plain = Radius(3, substrings=4)
    left, right = in_one_bucket(plain)
    tuned = plain.tuned(left, right, 1_000_000, 4)
    assert compared(plain, left, right) > 400**2
    assert compared(tuned, left, right) < 400**2 / 20
    assert [len(table.positions) for table in tuned.layout(64)] == [16] * 4


@given(st.integers(0, 64), st.sampled_from([64, 128, 256]), st.integers(0, 3))
@settings(max_examples=8, deadline=None)
def test_an_allocation_obeys_the_general_pigeonhole_principle(radius: int, bits: int, seed: int) -> None:
    tables = uniform_allocation(radius, None, 1_000_000, seed, bits).tables
    if tables:
        assert sum(table.flips + 1 for table in tables) == radius + 1
        positions = np.concatenate([table.positions for table in tables])
        assert len(np.unique(positions)) == len(positions)
        assert positions.max() < bits


def test_large_radii_compare_all_pairs_and_predict_it() -> None:
    small, large = (uniform_allocation(r, None, 1_000_000, 0, 64) for r in (3, 21))
    assert len(small.tables) == 4
    assert large == Allocation((), float(10**12 * 8e-10))
    assert small.seconds < 5


@given(st.integers(1, 5), st.integers(0, 6), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_the_cheapest_radii_are_the_cheapest_of_all(substrings: int, budget: int, seed: int) -> None:
    costs = np.random.default_rng(seed).random((substrings, budget + 1))
    every = np.indices((budget + 1,) * substrings).reshape(substrings, -1).T
    every = every[every.sum(axis=1) == budget]
    cost, radii = allocate(costs, budget)
    assert sum(r + 1 for r in radii) == budget
    assert cost == pytest.approx(min(costs[np.arange(substrings), choice].sum() for choice in every))


@given(SEEDS, st.integers(1, 64))
@settings(max_examples=25, deadline=None)
def test_taken_bits_are_those_of_the_code(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 2**63, (5, 3), np.uint64)
    positions = generator.permutation(192)[:count]
    expected = [
        sum((int(code[p // 64]) >> int(p % 64) & 1) << place for place, p in enumerate(positions))
        for code in codes
    ]
    assert take_bits(octets(codes), positions).tolist() == expected


@given(st.integers(0, 9), st.integers(0, 4))
@settings(max_examples=20, deadline=None)
def test_flip_masks_are_all_numbers_with_few_bits(bits: int, flips: int) -> None:
    masks = flip_masks(bits, flips).tolist()
    assert sorted(masks) == [m for m in range(1 << bits) if m.bit_count() <= flips]
    assert [m.bit_count() for m in masks] == sorted(m.bit_count() for m in masks)


@pytest.mark.parametrize(
    "parameters", [{"radius": -1}, {"radius": 65}, {"substrings": 0}, {"substrings": 65}, {"items": 0}]
)
def test_parameters_that_cannot_work_are_refused_by_name(parameters: dict[str, int]) -> None:
    codes = codes_near_each_other(0, 3, 1, 1)
    with pytest.raises(ConfigError, match=r"blocking\.radius"):
        all_pairs(Radius(**parameters), codes, codes)
