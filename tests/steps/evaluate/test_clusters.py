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
#: Cluster, entity, kind, and whether it is held out.
Record = tuple[str, str | None, str, bool]
records = st.lists(
    st.tuples(
        st.sampled_from("CDE"),
        st.sampled_from(["x", "y", "z", None]),
        st.sampled_from(["image", "text", "row"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def resolved(rows: list[Record]) -> Resolved:
    *columns, held_out = (np.array([row[k] for row in rows], dtype=object) for k in range(4))
    return Resolved(*columns, held_out.astype(bool))


def values(rows: list[Record]) -> dict[str, float]:
    return {metric.name: metric.value for metric in metrics(resolved(rows), INTERVALS)}


@settings(deadline=None)
@given(records, st.sampled_from([None, ("image", "image"), ("image", "text"), ("row", "text")]))
def test_pairs_are_those_of_listing_every_pair_with_a_held_out_record(
    rows: list[Record], kinds: tuple[str, str] | None
) -> None:
    right = predicted = true = 0
    for a, b in combinations(rows, 2):
        if not (a[3] or b[3]):
            continue
        if kinds is not None and pair_name(a[2], b[2]) != pair_name(*kinds):
            continue
        together, same = a[0] == b[0], a[1] == b[1] is not None
        right, predicted, true = right + (together and same), predicted + together, true + same
    found = resolved(rows)
    counts = pairs_of_held_out(found, known_or_alone(found.entity), kinds).sum(axis=0)
    assert counts.tolist() == [right, predicted, true]


# Two held-out photographs of x, one resolved with x's row and a stranger, the other alone.
CASE: list[Record] = [
    ("C", "x", "image", True),
    ("C", "x", "row", True),
    ("C", "y", "row", False),
    ("D", "x", "image", True),
]


def test_a_case_worked_by_hand() -> None:
    found = values(CASE)
    # Three pairs are together in C, two of these wrong; x has three pairs, one of them together.
    assert found["pair_precision/all"] == pytest.approx(1 / 3)
    assert found["pair_recall/all"] == pytest.approx(1 / 3)
    assert found["pair_precision/image-row"] == pytest.approx(1 / 2)
    assert found["pair_recall/image-row"] == pytest.approx(1 / 2)
    assert found["pair_recall/image-image"] == 0.0
    # Of x's records: precision 2/3, 2/3 and 1, recall 2/3, 2/3 and 1/3; y is not held out.
    assert found["bcubed_precision/all"] == pytest.approx(7 / 9)
    assert found["bcubed_recall/all"] == pytest.approx(5 / 9)
    # The photographs alone: each is a cluster of its own.
    assert found["bcubed_precision/image-image"] == 1.0
    assert found["bcubed_recall/image-image"] == pytest.approx(1 / 2)


def test_bcubed_is_told_apart_by_the_kinds_of_records_that_an_entity_has() -> None:
    more: list[Record] = [("E", "z", "image", True), ("E", "z", "image", True), ("F", "z", "row", False)]
    found = {metric.name: metric for metric in metrics(resolved(CASE + more), INTERVALS)}
    # z's row was trained on, and is missed: z counts as an entity of photographs, found whole but for it.
    assert found["bcubed_f1_holding/image"].value == pytest.approx(bcubed_f1(1, (2 / 3 + 2 / 3 + 1 / 3) / 3))
    assert found["bcubed_f1_holding/image-row"].value == pytest.approx(bcubed_f1(7 / 9, 5 / 9))
    assert {n: m.detail for n, m in found.items() if "holding" in n} == {
        "bcubed_f1_holding/image": {"entities": 1},
        "bcubed_f1_holding/image-row": {"entities": 1},
    }


def bcubed_f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall)


def test_a_pair_of_kinds_in_which_nothing_is_true_is_left_out() -> None:
    assert not [name for name in values(CASE) if name.endswith("row-row")]


def test_pairs_of_records_that_models_have_seen_do_not_count() -> None:
    seen: list[Record] = [("E", "z", "image", False), ("E", "y", "image", False)]
    assert values(CASE + seen) == values(CASE)


def test_resolving_something_with_a_record_of_unknown_truth_is_wrong() -> None:
    unknown: list[Record] = [("C", "x", "image", True), ("C", None, "text", False)]
    assert values(unknown)["pair_precision/all"] == 0.0
    elsewhere: list[Record] = [("D", None, "text", False), ("D", None, "text", False)]
    assert "pair_precision/all" not in values([unknown[0], *elsewhere])
