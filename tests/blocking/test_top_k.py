"""The k nearest, against sorting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmer_spark.blocking import REGISTRY
from xmer_spark.blocking.base import Coded
from xmer_spark.blocking.top_k import TopK
from xmer_spark.errors import ConfigError


def few_bits(seed: int, n: int) -> np.ndarray:
    """Codes that differ in few bits, so that many distances are equal."""
    return np.random.default_rng(seed).integers(0, 64, (n, 2), np.uint64)


def expected(left: Coded, right: Coded, k: int, mutual: bool) -> set[tuple[int, int]]:
    differing = np.bitwise_count(left.codes[:, None] ^ right.codes).sum(axis=2).astype(float)
    differing[left.keys[:, None] == right.keys] = np.inf
    kth = np.sort(np.pad(differing, ((0, 0), (0, k)), constant_values=999), axis=1)[:, k - 1 : k]
    near = (differing <= kth) & np.isfinite(differing)
    if mutual:
        kth = np.sort(np.pad(differing, ((0, k), (0, 0)), constant_values=999), axis=0)[k - 1 : k]
        near &= differing <= kth
    return set(zip(*(side.tolist() for side in np.nonzero(near)), strict=True))


@given(
    st.integers(0, 300), st.tuples(st.integers(0, 25), st.integers(0, 25)), st.integers(1, 6), st.booleans(),
    st.booleans(), st.integers(1, 5), st.sampled_from([3, 512]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_each_item_gets_its_k_nearest_and_all_ties_over_any_number_of_partitions(
    seed: int, sizes: tuple[int, int], k: int, mutual: bool, within: bool, partitions: int, edge: int
) -> None:
    left = Coded(np.arange(sizes[0]), few_bits(seed, sizes[0]))
    right = left if within else Coded(np.arange(100, 100 + sizes[1]), few_bits(seed + 1, sizes[1]))
    blocker = TopK(k, mutual)
    sent = [
        blocker.destinations("left", *left, partitions),
        blocker.destinations("right", *right, partitions),
    ]
    found: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xmer_spark.blocking.rectangles.EDGE", edge)
        for partition in range(partitions):
            rows = [np.flatnonzero(s[:, partition]) for s in sent]
            sides = [Coded(s.keys[r], s.codes[r]) for s, r in zip((left, right), rows, strict=True)]
            for tile in blocker.local_pairs(sides[0], sides[1], partition, partitions):
                differing = np.bitwise_count(sides[0].codes[tile.left] ^ sides[1].codes[tile.right])
                assert tile.hamming.tolist() == differing.sum(axis=1).tolist()
                found += zip(rows[0][tile.left].tolist(), rows[1][tile.right].tolist(), strict=True)
    assert len(found) == len(set(found))
    assert set(found) == expected(left, right, k, mutual)


def test_the_limit_on_the_distance_holds_too() -> None:
    left, right = few_bits(0, 40), few_bits(1, 40)
    i, j = TopK(5, max_distance=2 / 128).pairs(left, right)
    assert len(i)
    assert np.bitwise_count(left[i] ^ right[j]).sum(axis=1).max() == 2


def test_a_hit_is_a_pair_when_the_rows_are_all_there_is() -> None:
    left, right = few_bits(2, 50), few_bits(3, 50)
    for mutual in (False, True):
        blocker = TopK(3, mutual)
        pairs = set(zip(*(side.tolist() for side in blocker.pairs(left, right)), strict=True))
        rows = np.arange(50)
        assert blocker.hits(left, right, rows, rows).tolist() == [(n, n) in pairs for n in range(50)]


def test_it_says_that_it_looks_at_the_rest_and_when_its_sides_are_not_alike() -> None:
    assert not TopK().local
    assert TopK(mutual=True).symmetric
    assert not TopK().symmetric
    assert REGISTRY.method("bands").local
    with pytest.raises(ConfigError, match=r"blocking\.top_k"):
        TopK(0).pairs(few_bits(0, 2), few_bits(0, 2))
