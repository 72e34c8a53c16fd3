"""What is kept of scored pairs: all that are probable, and of each record the best of the others."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xmer_spark.scoring.review import Review

PAIRS = st.dictionaries(
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.sampled_from([0.0, 0.02, 0.1, 0.2, 0.4, 0.7]),
    min_size=1,
)


def by_definition(review: Review, pairs: dict[tuple[int, int], float]) -> list[bool]:
    """One pair after the other, as the class says it."""
    return [
        value >= review.threshold
        or (
            value >= review.threshold / 10
            and any(
                sum(p > value for other, p in pairs.items() if other[side] == pair[side]) < review.partners
                for side in (0, 1)
            )
        )
        for pair, value in pairs.items()
    ]


@given(PAIRS, st.integers(0, 3))
def test_what_is_kept_is_what_the_definition_says(pairs: dict[tuple[int, int], float], partners: int) -> None:
    review = Review(0.5, partners)
    i, j = np.array(list(pairs)).T
    kept = review.kept(i, j, np.array(list(pairs.values())))
    assert kept.tolist() == np.flatnonzero(by_definition(review, pairs)).tolist()


@given(PAIRS, st.integers(0, 35))
def test_what_is_left_out_of_a_part_would_not_have_been_kept_of_the_whole(
    pairs: dict[tuple[int, int], float], cut: int
) -> None:
    """So tasks may leave out what they see to be weak, and the rest is ranked as all of it would be."""
    review = Review(0.5, 2)
    i, j = np.array(list(pairs)).T
    probability = np.array(list(pairs.values()))
    parts = [rows for rows in np.split(np.arange(len(i)), [min(cut, len(i))]) if len(rows)]
    left = np.concatenate([rows[review.kept(i[rows], j[rows], probability[rows])] for rows in parts])
    again = left[review.kept(i[left], j[left], probability[left])]
    assert again.tolist() == review.kept(i, j, probability).tolist()
