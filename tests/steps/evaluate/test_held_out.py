"""Which pairs of held-out items are true: by hand, and against all pairs in a loop."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xmer_spark.names import pair_name
from xmer_spark.steps.evaluate.held_out import HeldOut, Scored

MODALITY = {"photos": "image", "drawings": "image", "names": "text"}

#: (source, record, entity) of an item.
items = st.lists(
    st.tuples(st.sampled_from(sorted(MODALITY)), st.sampled_from("rstu"), st.sampled_from("xyz")), max_size=10
)


def held_out(rows: list[tuple[str, str, str]]) -> HeldOut:
    columns = [np.array([row[k] for row in rows], dtype=object) for k in range(3)]
    source, record, entity = columns
    modality = np.array([MODALITY[name] for name in source], dtype=object)
    nothing = np.zeros((len(rows), 1))
    return HeldOut(
        np.arange(len(rows)), source, modality, record, entity, entity, nothing, nothing.astype(np.uint64)
    )


@given(items, st.sets(st.sampled_from(sorted(MODALITY))), st.sampled_from(["image-image", "image-text"]))
def test_true_pairs_are_those_of_looking_at_every_two_items(
    rows: list[tuple[str, str, str]], alone: set[str], pair: str
) -> None:
    expected = {
        frozenset((i, j))
        for (i, a), (j, b) in combinations(enumerate(rows), 2)
        if a[2] == b[2] and a[1] != b[1] and not (a[0] == b[0] and a[0] in alone)
        if pair_name(MODALITY[a[0]], MODALITY[b[0]]) == pair
    }
    i, j = held_out(rows).true_pairs(*pair.split("-"), alone)
    found = [frozenset(both) for both in zip(i.tolist(), j.tolist(), strict=True)]
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_a_source_that_holds_each_thing_once_has_no_true_pair_within_itself() -> None:
    known = held_out([("photos", "r", "x"), ("photos", "s", "x"), ("drawings", "t", "x")])
    assert len(known.true_pairs("image", "image", ())[0]) == 3
    assert len(known.true_pairs("image", "image", {"photos"})[0]) == 2


def test_items_by_source_keep_what_is_known_of_them_together() -> None:
    known = held_out([("photos", "r", "x"), ("names", "s", "y"), ("photos", "t", "z")])
    parts = known.by_source()
    assert list(parts) == ["names", "photos"]
    assert parts["photos"].key.tolist() == [0, 2]
    assert parts["photos"].entity.tolist() == ["x", "z"]


def test_scored_pairs_of_two_modalities_are_found_either_way_round() -> None:
    left, right = np.array(["image", "text", "text"]), np.array(["text", "image", "text"])
    scored = Scored(left, right, np.array([0.1, 0.2, 0.3]), np.array([True, False, True]))
    probability, true = scored.of("image", "text")
    assert probability.tolist() == [0.1, 0.2]
    assert true.tolist() == [True, False]
    assert scored.of("text", "text")[0].tolist() == [0.3]
