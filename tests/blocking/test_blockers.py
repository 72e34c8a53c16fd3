"""The blockers against brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.blocking.coded import all_pairs
from xmer_spark.blocking import REGISTRY
from xmer_spark.blocking import base as blocking_base
from xmer_spark.blocking.base import Blocker, Coded
from xmer_spark.blocking.join import bucket_join
from xmer_spark.errors import ConfigError


def near_codes(seed: int, n: int, words: int, centres: int) -> np.ndarray:
    """Codes around a few centres: some equal, some near, some far."""
    generator = np.random.default_rng(seed)
    bits = generator.integers(0, 2, (max(1, centres), words * 64))[generator.integers(0, max(1, centres), n)]
    bits ^= generator.random(bits.shape) < 0.08
    return np.packbits(bits.astype(np.uint8), axis=1, bitorder="little").view(np.uint64).reshape(n, words)


def brute_force(blocker: Blocker, left: np.ndarray, right: np.ndarray) -> set[tuple[int, int]]:
    i, j = (grid.ravel() for grid in np.indices((len(left), len(right))))
    hit = blocker.hits(left, right, i, j)
    return set(zip(i[hit].tolist(), j[hit].tolist(), strict=True))


blockers = st.one_of(
    st.builds(
        lambda tables, bits, flips, distance, seed: REGISTRY.build(
            "bands",
            {
                "tables": tables,
                "bits": bits,
                "flips": min(flips, bits - 1),
                "max_distance": distance,
                "seed": seed,
            },
        ),
        st.integers(1, 12),
        st.integers(1, 12),
        st.integers(0, 2),
        st.sampled_from([None, 0.0, 0.1, 0.4, 1.0]),
        st.integers(0, 5),
    ),
    st.sampled_from([None, 0.1, 0.45]).map(lambda d: REGISTRY.build("scan", {"max_distance": d})),
    st.builds(
        lambda radius, substrings, seed: REGISTRY.build(
            "radius", {"radius": radius, "substrings": substrings, "seed": seed}
        ),
        st.sampled_from([0, 1, 3, 7, 12, 21]),
        st.sampled_from([None, 1, 2, 3, 5, 8, 20]),
        st.integers(0, 5),
    ),
    st.builds(
        lambda cells, probes, distance: REGISTRY.build(
            "cells", {"cells": cells, "probes": min(cells, probes), "max_distance": distance}
        ),
        st.sampled_from([1, 3, 9, 40]),
        st.integers(1, 4),
        st.sampled_from([None, 0.1, 0.4]),
    ),
)
code_pairs = st.builds(
    lambda seed, sizes, words, centres: tuple(near_codes(seed, size, words, centres) for size in sizes),
    st.integers(0, 1000),
    st.tuples(st.integers(0, 30), st.integers(0, 30)),
    st.integers(1, 3),
    st.integers(1, 6),
)


@given(blockers, code_pairs)
@settings(max_examples=40, deadline=None)
def test_pairs_are_exactly_the_hits_each_once(blocker: Blocker, codes: tuple[np.ndarray, np.ndarray]) -> None:
    i, j = all_pairs(blocker.fit(*codes), *codes)
    assert i.dtype == j.dtype == np.int32
    found = list(zip(i.tolist(), j.tolist(), strict=True))
    assert len(found) == len(set(found))
    assert set(found) == brute_force(blocker, *codes)


@given(blockers, code_pairs, st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_partitions_that_hold_what_was_sent_to_them_find_every_pair_once(
    blocker: Blocker, codes: tuple[np.ndarray, np.ndarray], partitions: int, seed: int
) -> None:
    blocker.fit(*codes)
    generator = np.random.default_rng(seed)
    sides = [Coded(generator.integers(-(2**63), 2**63 - 1, len(c)), c) for c in codes]
    sent = [
        blocker.destinations("left", *sides[0], partitions),
        blocker.destinations("right", *sides[1], partitions),
    ]
    sent[0] |= generator.random(sent[0].shape) < 0.2  # items that are there for other reasons change nothing
    sent[1] |= generator.random(sent[1].shape) < 0.2
    found: list[tuple[int, int]] = []
    for partition in range(partitions):
        rows = [np.flatnonzero(s[:, partition]) for s in sent]
        left, right = (Coded(s.keys[r], s.codes[r]) for s, r in zip(sides, rows, strict=True))
        for i, j in blocker.local_pairs(left, right, partition, partitions):
            found += zip(rows[0][i].tolist(), rows[1][j].tolist(), strict=True)
    assert len(found) == len(set(found))
    assert set(found) == brute_force(blocker, *codes)


@pytest.mark.parametrize(
    "blocker",
    [
        REGISTRY.build("bands", {"tables": 6, "bits": 10, "flips": 1, "max_distance": 0.3}),
        REGISTRY.build("radius", {"radius": 30, "substrings": 9}),
        REGISTRY.build("cells", {"cells": 5, "probes": 2}),
        REGISTRY.build("scan", {"max_distance": 0.3}),
    ],
)
@pytest.mark.parametrize("large", [1, 1 << 14])
def test_tiles_stay_small_in_one_huge_bucket(
    blocker: Blocker, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xmer_spark.blocking.tables.TILE", 100)
    monkeypatch.setattr("xmer_spark.blocking.cells.TILE", 100)
    monkeypatch.setattr("xmer_spark.blocking.join.LARGE", large)
    monkeypatch.setattr("xmer_spark.blocking.rectangles.EDGE", 10)
    left, right = near_codes(1, 70, 2, 1), near_codes(1, 90, 2, 1)
    left[:50], right[:60] = left[0], left[0]
    found: list[tuple[int, int]] = []
    sides = [Coded(np.arange(len(codes)), codes) for codes in (left, right)]
    blocker.fit(left, right)
    for i, j in blocker.local_pairs(sides[0], sides[1], 0, 1):
        assert len(i) <= 100
        found += zip(i.tolist(), j.tolist(), strict=True)
    assert len(found) == len(set(found))
    assert set(found) == brute_force(blocker, left, right)
    assert blocking_base.TILE > 100


@given(st.lists(st.integers(0, 7), max_size=40), st.lists(st.integers(0, 7), max_size=40), st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_the_bucket_join_equals_two_nested_loops(left: list[int], right: list[int], tile: int) -> None:
    masks = np.array([0, 1, 4], np.uint64)
    tiles = list(bucket_join(np.array(left, np.uint64), np.array(right, np.uint64), masks, tile))
    assert all(len(i) <= tile for i, _ in tiles)
    assert sum(len(i) for i, _ in tiles) >= len(tiles)
    found = sorted((a, b) for i, j in tiles for a, b in zip(i.tolist(), j.tolist(), strict=True))
    assert found == [(a, b) for a, x in enumerate(left) for b, y in enumerate(right) if x ^ y in (0, 1, 4)]


def test_the_bands_of_one_permutation_are_disjoint() -> None:
    samples = REGISTRY.build("bands", {"tables": 20, "bits": 10}).samples(64)
    assert samples.shape == (20, 10)
    assert len(np.unique(samples[:6])) == 60
    assert all(len(np.unique(sample)) == 10 for sample in samples)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("bands", {"tables": 4, "bits": 6, "flips": 1}),
        ("radius", {"radius": 9, "substrings": 4}),
        ("cells", {"cells": 6, "probes": 2}),
        ("scan", {"max_distance": 0.2}),
    ],
)
def test_whether_two_items_are_candidates_does_not_depend_on_the_others(
    method: str, parameters: dict[str, float]
) -> None:
    left, right = near_codes(3, 40, 1, 4), near_codes(3, 40, 1, 4)
    blocker = REGISTRY.build(method, parameters).fit(left, right)
    whole = set(zip(*(x.tolist() for x in all_pairs(blocker, left, right)), strict=True))
    part = set(zip(*(x.tolist() for x in all_pairs(blocker, left[:20], right[:25])), strict=True))
    assert part == {(i, j) for i, j in whole if i < 20 and j < 25}


@pytest.mark.parametrize(
    "parameters",
    [{"bits": 65}, {"bits": 0}, {"tables": 0}, {"bits": 3, "flips": 3}, {"max_distance": 1.5}],
)
def test_parameters_that_cannot_work_are_refused_by_name(parameters: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"blocking\.bands"):
        all_pairs(REGISTRY.build("bands", parameters), near_codes(0, 3, 1, 1), near_codes(0, 3, 1, 1))


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("bands", {"tables": 3, "bits": 5, "seed": 4}),
        ("radius", {"radius": 12}),
        ("cells", {"cells": 5, "probes": 2}),
    ],
)
def test_a_blocker_survives_being_saved(method: str, parameters: dict[str, int], tmp_path: Path) -> None:
    codes = near_codes(0, 30, 1, 3)
    blocker = REGISTRY.build(method, parameters).fit(codes)
    blocker.save(tmp_path)
    again = REGISTRY.load(tmp_path)
    assert np.array_equal(all_pairs(blocker, codes, codes), all_pairs(again, codes, codes))
