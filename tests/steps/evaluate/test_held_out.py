"""Which pairs of held-out records are true: by hand, and against all pairs in a loop."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xmer_spark.names import pair_name
from xmer_spark.steps.evaluate.held_out import HeldOut, Scored

SOURCES = ["names", "photos", "shop"]
KINDS = ["image", "image+text", "row", "text"]
#: Source, kind and entity of a record.
Row = tuple[str, str, str]
rows_of_records = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.sampled_from(KINDS), st.sampled_from("xyz")), max_size=10
)


def held_out(rows: list[Row]) -> HeldOut:
    source, kind, entity = (np.array([row[k] for row in rows], dtype=object) for k in range(3))
    return HeldOut(np.arange(len(rows)) * 3, source, kind, entity, entity)


@given(rows_of_records, st.sets(st.sampled_from(SOURCES)))
def test_true_pairs_are_those_of_looking_at_every_two_records(rows: list[Row], alone: set[str]) -> None:
    expected = [
        (i, j)
        for (i, a), (j, b) in combinations(enumerate(rows), 2)
        if a[2] == b[2] and not (a[0] == b[0] and a[0] in alone)
    ]
    known = held_out(rows)
    i, j = known.true_pairs(alone)
    assert sorted(zip(i.tolist(), j.tolist(), strict=True)) == expected
    by_kinds = Counter(pair_name(rows[i][1], rows[j][1]) for i, j in expected)
    assert known.count_true_pairs(alone) == by_kinds


def test_a_source_that_holds_each_thing_once_has_no_true_pair_within_itself() -> None:
    known = held_out([("photos", "image", "x"), ("photos", "image", "x"), ("shop", "row", "x")])
    assert known.count_true_pairs(()) == {"image-image": 1, "image-row": 2}
    assert known.count_true_pairs({"photos"}) == {"image-row": 2}


def test_records_are_found_by_their_keys_in_the_order_asked_for() -> None:
    known = held_out([("photos", "image", "x"), ("names", "text", "y"), ("photos", "image", "z")])
    found = known.of(np.array([6, 0]))
    assert found.entity.tolist() == ["z", "x"]
    assert found.source.tolist() == ["photos", "photos"]


def test_scored_pairs_of_two_kinds_are_found_either_way_round() -> None:
    left, right = np.array(["image", "row", "row"]), np.array(["row", "image", "row"])
    scored = Scored(
        left, right, np.array([0.1, 0.2, 0.3]), np.array([0.4, 0.5, 0.6]), np.array([True, False, True])
    )
    found = scored.of("image", "row")
    assert found.probability.tolist() == [0.1, 0.2]
    assert found.decided.tolist() == [0.4, 0.5]
    assert found.true.tolist() == [True, False]
    assert scored.of("row", "row").probability.tolist() == [0.3]
    assert scored.pairs() == {"image-row", "row-row"}
