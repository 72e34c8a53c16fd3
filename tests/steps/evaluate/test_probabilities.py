"""Probabilities of scored pairs: the curve, calibration, the histogram, and what blocking kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmer_spark.blocking.records.codes import Codes
from xmer_spark.blocking.records.rules import Rules
from xmer_spark.blocking.records.sorted_neighbourhood import SortedNeighbourhood
from xmer_spark.numerics.records import Records
from xmer_spark.steps.evaluate import blocking, probabilities
from xmer_spark.steps.evaluate.held_out import HeldOut, Scored
from xmer_spark.store.runs import Metric

rows_of_pairs = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30)


def measured(pairs: list[tuple[float, bool]], true: int) -> dict[str, Metric]:
    """What is measured where a pair was decided to be as probable as it says, and half as much by itself."""
    decided = np.array([p for p, _ in pairs])
    right = np.array([r for _, r in pairs], dtype=bool)
    kinds = np.full(len(pairs), "image"), np.full(len(pairs), "row")
    found = probabilities.metrics("image-row", Scored(*kinds, decided / 2, decided, right), true, 0.95)
    return {metric.name.removesuffix("/image-row"): metric for metric in found}


def test_a_case_worked_by_hand() -> None:
    found = measured([(0.9, True), (0.8, False), (0.2, True)], true=4)
    # Two of four true pairs were scored: precision 1 at recall 1/4, 2/3 at recall 2/4.
    assert found["average_precision"].value == pytest.approx(1 / 4 + 2 / 3 / 4)
    assert found["average_precision"].detail == {
        "threshold": [0.9, 0.8, 0.2],
        "precision": [1.0, 1 / 2, 2 / 3],
        "recall": [1 / 4, 1 / 4, 2 / 4],
    }
    assert found["brier"].value == pytest.approx((0.1**2 + 0.8**2 + 0.8**2) / 3)
    assert found["scored_pairs"].value == 3


def test_pairs_by_themselves_are_measured_beside_what_was_decided() -> None:
    found = measured([(0.9, True), (0.8, False)], true=1)
    assert found["brier"].value == pytest.approx((0.1**2 + 0.8**2) / 2)
    assert found["brier_by_itself"].value == pytest.approx((0.55**2 + 0.4**2) / 2)
    measures = {name.removesuffix("_by_itself") for name in found}
    assert measures == {"average_precision", "brier", "calibration_error", "scored_pairs"}
    assert len(found) == 2 * len(measures)


@given(rows_of_pairs)
def test_no_pair_is_lost_in_the_histogram_or_in_the_bins(pairs: list[tuple[float, bool]]) -> None:
    true = sum(right for _, right in pairs)
    found = measured(pairs, true + 1)
    histogram, bins = found["scored_pairs"].detail, found["calibration_error"].detail
    assert histogram is not None
    assert bins is not None
    assert (sum(histogram["right"]), sum(histogram["wrong"])) == (true, len(pairs) - true)
    assert len(histogram["edges"]) == len(histogram["right"]) + 1
    assert sum(bins["count"]) == len(pairs)
    assert bins["observed"] @ np.array(bins["count"]) == pytest.approx(true)
    json.dumps([metric.detail for metric in found.values()])


def test_where_nothing_was_scored_the_curve_says_that_everything_was_missed() -> None:
    found = measured([], true=3)
    assert set(found) == {"average_precision", "average_precision_by_itself"}
    assert found["average_precision"].value == 0.0


def test_where_there_is_neither_a_scored_nor_a_true_pair_nothing_is_said() -> None:
    assert measured([], true=0) == {}


def strings(*values: str | None) -> np.ndarray:
    return np.array(values, dtype=object)


#: Four photographs and four rows of the same things: the codes of two agree, the makers of two.
PHOTOS = blocking.blockable(
    Records(
        "photos",
        np.arange(4),
        {"code": strings("c1", "c2", "c3", None), "maker": strings("a", "b", "c", "d")},
    ),
    [],
)
ROWS = blocking.blockable(
    Records(
        "rows",
        np.arange(4, 8),
        {"code": strings("c1", "c2", None, "c9"), "maker": strings("x", "b", "c", "x")},
    ),
    [],
)
ENTITIES = strings(*"wxyz", *"wxyz")
KNOWN = HeldOut(np.arange(8), np.repeat(["photos", "rows"], 4), ENTITIES, ENTITIES, ENTITIES)
#: As if each two rows were of one thing.
TWICE = HeldOut(np.arange(4, 8), KNOWN.source[4:], *[strings(*"aabb")] * 3)
CODES, MAKERS = Rules([["code"]]), Rules([["maker"]])


def test_a_true_pair_is_kept_where_any_blocker_of_the_list_proposes_it() -> None:
    (one,) = blocking.kept("photos/rows", [CODES], PHOTOS, ROWS, KNOWN, 0.95)
    (both,) = blocking.kept("photos/rows", [CODES, MAKERS], PHOTOS, ROWS, KNOWN, 0.95)
    assert (one.name, one.value, one.detail) == ("blocking_recall/photos/rows", 0.5, {"pairs": 4})
    assert both.value == 0.75
    assert one.low is not None
    assert one.high is not None
    assert one.low < 0.5 < one.high


def test_a_column_in_which_no_held_out_record_has_a_value_keeps_no_pair() -> None:
    nameless = Records("rows", np.arange(4, 8), {"image/embedding": np.zeros((4, 2), np.float32)})
    rows = blocking.blockable(nameless, ["maker", "image/embedding", "image/surroundings", "image/code"])
    assert rows.table.column_names == ["record_key", "maker", "image/code"]
    (found,) = blocking.kept("photos/rows", [MAKERS], PHOTOS, rows, KNOWN, 0.95)
    assert (found.value, found.detail) == (0.0, {"pairs": 4})
    codes = Codes("image/code", "radius", {"radius": 3})
    (found,) = blocking.kept("rows/rows", [codes], rows, rows, TWICE, 0.95)
    assert (found.value, found.detail) == (0.0, {"pairs": 2})


def test_of_a_source_with_itself_each_true_pair_counts_once() -> None:
    (found,) = blocking.kept("rows/rows", [CODES, MAKERS], ROWS, ROWS, TWICE, 0.95)
    assert (found.value, found.detail) == (0.0, {"pairs": 2})


def test_blockers_that_cannot_be_asked_about_a_pair_alone_say_nothing_and_neither_do_no_true_pairs() -> None:
    blockers = [CODES, SortedNeighbourhood(["maker"])]
    assert list(blocking.kept("photos/rows", blockers, PHOTOS, ROWS, KNOWN, 0.95)) == []
    strangers = HeldOut(KNOWN.key, KNOWN.source, *[np.arange(8).astype(str)] * 3)
    assert list(blocking.kept("photos/rows", [CODES], PHOTOS, ROWS, strangers, 0.95)) == []


def test_the_spared_share_is_of_the_possible_pairs() -> None:
    metric = blocking.spared("a/b", 6, 15)
    assert metric.name == "blocking_reduction/a/b"
    assert metric.detail == {"candidates": 6, "possible": 15}
    assert metric.value == pytest.approx(1 - 6 / 15)
