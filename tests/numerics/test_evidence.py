"""Kinds of pairs: one number for two kinds of records whichever comes first, and a name for each."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from xmer_spark.names import kinds_of
from xmer_spark.numerics.evidence import Evidence, joined, pair_kind, pair_kind_name
from xmer_spark.schema import MODALITIES

KINDS = np.arange(1 << len(MODALITIES))


def test_every_two_kinds_have_a_number_and_a_name_of_their_own() -> None:
    pairs = list(combinations_with_replacement(KINDS, 2))
    a, b = np.array(pairs).T
    numbers = pair_kind(a, b)
    assert np.array_equal(numbers, pair_kind(b, a))
    assert len(set(numbers.tolist())) == len(pairs)
    names = [pair_kind_name(int(number)) for number in numbers]
    assert names[0] == "row-row"
    assert names[-1] == "image+text-image+text"
    assert len(set(names)) == len(pairs)
    assert [kinds_of(name) for name in names] == [tuple(name.split("-")) for name in names]


def test_numbers_of_kinds_fit_the_column_that_holds_them() -> None:
    assert pair_kind(KINDS[-1:], KINDS[-1:]).max() < 2**15


def test_joined_evidence_keeps_every_pair_in_order() -> None:
    random = np.random.default_rng(0)
    parts = [
        Evidence(random.random((n, 3)).astype(np.float32), random.integers(0, 9, n).astype(np.int16))
        for n in (2, 0, 3)
    ]
    whole = joined(parts)
    assert len(whole) == 5
    back = [whole.where(np.arange(2)), whole.where(np.empty(0, np.int64)), whole.where(np.arange(2, 5))]
    for part, again in zip(parts, back, strict=True):
        np.testing.assert_array_equal(part.values, again.values)
        np.testing.assert_array_equal(part.kind, again.kind)
