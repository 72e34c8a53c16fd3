"""Anchor codes and the cells around them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.blocking.coded import all_pairs
from xmer_spark.blocking.anchors import k_majority, nearest
from xmer_spark.blocking.cells import Cells
from xmer_spark.errors import ConfigError, XmerError


def clustered(seed: int, n: int, centres: int, noise: float, words: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Codes around random centres, and the centre of each."""
    generator = np.random.default_rng(seed)
    centre = generator.integers(0, centres, n)
    bits = generator.integers(0, 2, (centres, 64 * words))[centre] ^ (
        generator.random((n, 64 * words)) < noise
    )
    return np.packbits(bits.astype(np.uint8), axis=1, bitorder="little").view(np.uint64), centre


def test_well_separated_clusters_are_found_and_their_anchors_are_the_majority_codes() -> None:
    codes, centre = clustered(0, 600, 5, 0.1)
    anchors = k_majority(codes, 8, 20, 1)
    cell = nearest(codes, anchors, 1)[:, 0]
    for number in range(8):
        assert len(np.unique(centre[cell == number])) <= 1
        inside = np.unpackbits(codes[cell == number].view(np.uint8), axis=1, bitorder="little")
        bits = np.unpackbits(anchors[number].view(np.uint8), bitorder="little")
        lead = 2 * inside.sum(axis=0, dtype=int) - len(inside)
        assert ((lead == 0) | (bits == (lead > 0))).all()


@given(st.integers(0, 200), st.integers(1, 30), st.integers(1, 12), st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_the_nearest_anchors_are_those_of_brute_force(seed: int, n: int, k: int, count: int) -> None:
    codes, _ = clustered(seed, n, 3, 0.3)
    anchors, _ = clustered(seed + 1, k, 2, 0.02)  # many ties
    differing = np.bitwise_count(codes[:, None] ^ anchors).sum(axis=2)
    expected = np.argsort(differing, axis=1, kind="stable")[:, :count]
    assert nearest(codes, anchors, count).tolist() == expected.tolist()


def test_fitting_is_seeded_and_never_leaves_a_cell_empty_while_codes_last() -> None:
    codes, _ = clustered(3, 300, 4, 0.05)
    one, two = (Cells(32, 2, seed=5).fit(codes).anchors_ for _ in range(2))
    assert np.array_equal(one, two)
    assert len(Cells(500, 1).fit(codes[:20].repeat(3, axis=0)).anchors_) == 20
    assert len(np.unique(nearest(codes, one, 1))) == 32


def test_pairs_that_no_small_radius_finds_share_a_cell() -> None:
    left, _ = clustered(0, 500, 500, 0.0, words=4)
    generator = np.random.default_rng(1)
    flips = np.packbits(generator.random((500, 256)) < 0.3, axis=1, bitorder="little").view(np.uint64)
    right = left ^ flips
    blocker = Cells(64, 4).fit(left, right)
    found = len(all_pairs(blocker, left, right)[0]) / 500**2
    recall = blocker.hits(left, right, np.arange(500), np.arange(500)).mean()
    assert recall > 2 * found


def test_cells_that_are_not_fitted_or_do_not_fit_the_codes_are_errors() -> None:
    codes, _ = clustered(0, 30, 2, 0.1)
    with pytest.raises(XmerError, match="not fitted"):
        all_pairs(Cells(), codes, codes)
    with pytest.raises(XmerError, match="2 words, not 1"):
        all_pairs(Cells(4, 2).fit(codes), codes[:, :1], codes[:, :1])
    with pytest.raises(ConfigError, match=r"blocking\.cells"):
        Cells(4, 5).fit(codes)


def test_a_crowded_cell_is_shared_out_and_changes_no_pair() -> None:
    codes, _ = clustered(0, 400, 1, 0.05)
    blocker = Cells(3, 2).fit(codes)
    tuned = blocker.tuned(codes, codes, 400, 4)
    assert len(tuned.hot[0])
    assert np.array_equal(all_pairs(blocker, codes, codes), all_pairs(tuned, codes, codes))
    keys = np.arange(400)
    assert (tuned.destinations("left", keys, codes, 4).sum(axis=0) > 50).all()
