"""Which pairs are compared, which are true, and how many there are."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from xmer_spark.names import pair_name
from xmer_spark.numerics.compared import compared, equal_pairs, possible_pairs, source_pairs

numbers = arrays.arrays(np.int64, st.integers(0, 12), elements=st.integers(0, 4))
NAMES = ("b", "a_to_b", "x-y")
modalities = st.fixed_dictionaries({name: st.sampled_from(["image", "text"]) for name in NAMES})


@given(numbers, numbers)
def test_equal_pairs_are_those_of_comparing_all_with_all(left: np.ndarray, right: np.ndarray) -> None:
    i, j = equal_pairs(left, right)
    expected = np.argwhere(left[:, None] == right[None, :])
    assert np.column_stack([i, j]).tolist() == expected.tolist()


@given(
    modalities,
    st.sets(st.sampled_from(NAMES)),
    st.sets(st.sampled_from(["image-image", "image-text", "text-text"])),
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 5)),
)
def test_possible_pairs_are_those_of_listing_every_pair_of_items(
    modality: dict[str, str], alone: set[str], wanted: set[str], sizes: dict[str, int]
) -> None:
    items = [(name, number) for name in sorted(sizes) for number in range(sizes[name])]
    listed = 0
    for a, b in product(items, items):
        apart = a[0] != b[0] or a[0] not in alone
        listed += a < b and apart and pair_name(modality[a[0]], modality[b[0]]) in wanted
    assert possible_pairs(sizes, source_pairs(modality, alone, wanted)) == listed


@given(st.sets(st.sampled_from(NAMES)))
def test_items_are_compared_where_their_sources_are(alone: set[str]) -> None:
    i, j = np.array(list(combinations_with_replacement(range(3), 2))).T
    names = sorted(NAMES)
    kept = compared(i, j, np.isin(names, list(alone)))
    found = [(names[a], names[b]) for a, b in zip(i[kept], j[kept], strict=True)]
    assert found == source_pairs(dict.fromkeys(NAMES, "text"), alone, ["text-text"])
