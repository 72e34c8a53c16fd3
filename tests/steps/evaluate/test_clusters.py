"""Pairs and B-cubed of what was resolved: by hand, and against listing every pair."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmer_spark.names import pair_name
from xmer_spark.steps.evaluate.clusters import known_or_alone, metrics, pairs_of_held_out
from xmer_spark.steps.evaluate.held_out import Resolved
from xmer_spark.steps.evaluate.intervals import Intervals

INTERVALS = Intervals(samples=20, level=0.95, seed=0)
#: Cluster, entity, record, modality, and whether it is held out.
Item = tuple[str, str | None, str, str, bool]
items = st.lists(
    st.tuples(
        st.sampled_from("CDE"),
        st.sampled_from(["x", "y", "z", None]),
        st.sampled_from("rstuv"),
        st.sampled_from(["image", "text"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def resolved(rows: list[Item]) -> Resolved:
    *columns, held_out = (np.array([row[k] for row in rows], dtype=object) for k in range(5))
    return Resolved(*columns, held_out.astype(bool))


def values(rows: list[Item]) -> dict[str, float]:
    return {metric.name: metric.value for metric in metrics(resolved(rows), INTERVALS)}


@settings(deadline=None)
@given(items, st.sampled_from([None, ("image", "image"), ("image", "text")]))
def test_pairs_are_those_of_listing_every_pair_with_a_held_out_item(
    rows: list[Item], modalities: tuple[str, str] | None
) -> None:
    right = predicted = true = 0
    for a, b in combinations(rows, 2):
        if a[2] == b[2] or not (a[4] or b[4]):
            continue
        if modalities is not None and pair_name(a[3], b[3]) != pair_name(*modalities):
            continue
        together, same = a[0] == b[0], a[1] == b[1] is not None
        right, predicted, true = right + (together and same), predicted + together, true + same
    found = resolved(rows)
    counts = pairs_of_held_out(found, known_or_alone(found.entity), modalities).sum(axis=0)
    assert counts.tolist() == [right, predicted, true]


# Two held-out photographs of x, one resolved with x's text and a stranger, the other alone.
CASE: list[Item] = [
    ("C", "x", "r", "image", True),
    ("C", "x", "s", "text", True),
    ("C", "y", "t", "text", False),
    ("D", "x", "u", "image", True),
]


def test_a_case_worked_by_hand() -> None:
    found = values(CASE)
    # Three pairs are together in C, two of these wrong; x has three pairs, one of them together.
    assert found["pair_precision/all"] == pytest.approx(1 / 3)
    assert found["pair_recall/all"] == pytest.approx(1 / 3)
    assert found["pair_precision/image-text"] == pytest.approx(1 / 2)
    assert found["pair_recall/image-text"] == pytest.approx(1 / 2)
    assert found["pair_recall/image-image"] == 0.0
    # Of x's items: precision 2/3, 2/3 and 1, recall 2/3, 2/3 and 1/3; y is not held out.
    assert found["bcubed_precision/all"] == pytest.approx(7 / 9)
    assert found["bcubed_recall/all"] == pytest.approx(5 / 9)


def test_a_pair_of_modalities_in_which_nothing_is_true_is_left_out() -> None:
    assert not [name for name in values(CASE) if name.endswith("text-text")]


def test_pairs_of_items_that_models_have_seen_do_not_count() -> None:
    seen: list[Item] = [("E", "z", "v", "image", False), ("E", "y", "w", "image", False)]
    assert values(CASE + seen) == values(CASE)


def test_pairs_within_a_record_are_given_and_not_found() -> None:
    one_record = [(*item[:2], "r", *item[3:]) for item in CASE]
    assert not [name for name in values(one_record) if name.startswith("pair_")]


def test_resolving_something_with_an_item_of_unknown_truth_is_wrong() -> None:
    unknown: list[Item] = [("C", "x", "r", "image", True), ("C", None, "s", "text", False)]
    assert values(unknown)["pair_precision/all"] == 0.0
    elsewhere: list[Item] = [("D", None, "s", "text", False), ("D", None, "t", "text", False)]
    assert "pair_precision/all" not in values([unknown[0], *elsewhere])
