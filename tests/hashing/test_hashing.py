"""Codes: their packing, their distances, and that these stand for the angle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xmer_spark.errors import XmerError
from xmer_spark.hashing import REGISTRY
from xmer_spark.hashing.base import Hasher, hamming, hamming_matrix, pack, unpack
from xmer_spark.hashing.itq import ITQ
from xmer_spark.hashing.sign import SignProjection


def unit_vectors(n: int, d: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d)) * np.linspace(2, 0.5, d)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@given(arrays(bool, st.tuples(st.integers(0, 9), st.sampled_from([64, 128, 192]))))
def test_unpacking_gives_back_what_was_packed(bits: np.ndarray) -> None:
    codes = pack(bits)
    assert codes.dtype == np.uint64
    assert codes.shape == (len(bits), bits.shape[1] // 64)
    np.testing.assert_array_equal(unpack(codes), bits)


@given(arrays(bool, (2, 128)))
def test_distance_is_the_number_of_differing_bits(bits: np.ndarray) -> None:
    codes = pack(bits)
    expected = int((bits[0] ^ bits[1]).sum())
    assert hamming(codes[:1], codes[1:]).tolist() == [expected]
    assert hamming_matrix(codes[:1], codes[1:]).tolist() == [[expected]]


@pytest.mark.parametrize("hasher", [ITQ(bits=256), SignProjection(bits=256)], ids=["itq", "sign"])
@pytest.mark.parametrize("dimensions", [3, 48, 300])
def test_any_number_of_bits_can_be_had_from_any_number_of_dimensions(hasher: Hasher, dimensions: int) -> None:
    x = unit_vectors(400, dimensions)
    codes = hasher.fit(x).codes(x)
    assert codes.shape == (400, 4)
    assert len(np.unique(codes, axis=0)) > 4


def test_sign_projections_differ_in_a_share_of_bits_equal_to_the_angle() -> None:
    x = np.vstack([unit_vectors(200, 24), -unit_vectors(200, 24)])  # of mean zero
    distance = hamming_matrix(*[SignProjection(bits=4096).fit(x).codes(x)] * 2) / 4096
    angle = np.arccos(np.clip(x @ x.T, -1, 1)) / np.pi
    np.testing.assert_allclose(distance, angle, atol=0.05)


def test_itq_keeps_near_pairs_nearer_than_sign_projections_do() -> None:
    x = unit_vectors(1500, 32)
    near = x + 0.05 * np.random.default_rng(1).standard_normal(x.shape).astype(np.float32)

    def distance(hasher: Hasher) -> float:
        hasher.fit(x)
        return float(hamming(hasher.codes(x), hasher.codes(near)).mean())

    assert distance(ITQ(bits=64)) < distance(SignProjection(bits=64))


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 50))
def test_the_same_seed_gives_the_same_codes(seed: int) -> None:
    x = unit_vectors(100, 20)
    for hasher in (ITQ, SignProjection):
        first, second = (hasher(bits=64, seed=seed).fit(x).codes(x) for _ in range(2))
        np.testing.assert_array_equal(first, second)


def test_saved_hasher_gives_the_same_codes(tmp_path) -> None:  # type: ignore[no-untyped-def]
    x = unit_vectors(100, 20)
    hasher = ITQ(bits=128).fit(x)
    hasher.save(tmp_path)
    np.testing.assert_array_equal(REGISTRY.load(tmp_path).codes(x), hasher.codes(x))


def test_bits_that_do_not_fill_words_are_refused() -> None:
    with pytest.raises(XmerError, match="multiple of 64"):
        ITQ(bits=100).fit(unit_vectors(10, 4))
