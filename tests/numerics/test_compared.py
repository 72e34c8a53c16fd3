"""Which pairs are compared, which are true, and how many there are."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from xmer_spark.numerics.compared import compared, equal_pairs, possible_pairs

numbers = arrays.arrays(np.int64, st.integers(0, 12), elements=st.integers(0, 4))
NAMES = ("b", "a_to_b", "x-y")


@given(numbers, numbers)
def test_equal_pairs_are_those_of_comparing_all_with_all(left: np.ndarray, right: np.ndarray) -> None:
    i, j = equal_pairs(left, right)
    expected = np.argwhere(left[:, None] == right[None, :])
    assert np.column_stack([i, j]).tolist() == expected.tolist()


@given(
    st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).map(lambda pair: tuple(sorted(pair)))),
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 5)),
)
def test_possible_pairs_are_those_of_listing_every_pair_of_items(
    pairs: set[tuple[str, str]], sizes: dict[str, int]
) -> None:
    items = sorted((name, number) for name in sizes for number in range(sizes[name]))
    listed = sum((a[0], b[0]) in pairs for a, b in combinations(items, 2))
    assert possible_pairs(sizes, pairs) == listed


@given(st.sets(st.integers(0, 2)))
def test_items_of_one_source_are_compared_unless_it_holds_each_thing_once(alone: set[int]) -> None:
    i, j = np.array(list(combinations_with_replacement(range(3), 2))).T
    kept = compared(i, j, np.isin(range(3), list(alone)))
    assert kept.tolist() == [a != b or a not in alone for a, b in zip(i, j, strict=True)]
