"""The comparisons: what all of them promise, and what each says of known values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmer_spark.comparisons import BY_TYPE, REGISTRY
from xmer_spark.comparisons import base as base_module
from xmer_spark.comparisons.base import Comparison

#: Values of each kind, some of them no such thing.
VALUES = {
    "text": st.text("ab1 -é京", max_size=12),
    "number": st.floats(allow_nan=False, allow_infinity=False).map(str) | st.just("many"),
    "date": st.sampled_from(["2020", "2020-02", "2020-02-29", "2021-03-01", "1999-12-31", "2020-02-30", "-"]),
    "category": st.sampled_from(["red", "Red ", "blue", "green", " "]),
    "identifier": st.text("AB12-. ", max_size=8),
    "set": st.lists(st.text("abc", max_size=4), max_size=4).map(json.dumps) | st.just("[1"),
    "place": st.tuples(st.floats(-90, 90), st.floats(-180, 180)).map("{0[0]},{0[1]}".format) | st.just("x,y"),
}
columns = st.sampled_from(sorted(VALUES)).flatmap(
    lambda name: st.tuples(
        st.just(name), *[st.lists(st.none() | VALUES[name], min_size=1, max_size=8) for _ in "lr"]
    )
)


def column(values: list[str | None]) -> np.ndarray:
    return np.array(values, object)


def measured(
    name: str, left: list[str | None], right: list[str | None], *known: str
) -> dict[str, list[float]]:
    """The measures of left[k] and right[k], rounded; ``known`` are all records' values where given."""
    comparison = REGISTRY.build(name).fit(column(list(known) or left + right))
    x, y = comparison.prepare(column(left)), comparison.prepare(column(right))
    found = comparison.compare(x, y, np.arange(len(left)), np.arange(len(right)))
    return {m: found[:, k].astype(float).round(3).tolist() for k, m in enumerate(comparison.measures)}


def every_two(comparison: Comparison, left: list[str | None], right: list[str | None]) -> np.ndarray:
    i, j = np.divmod(np.arange(len(left) * len(right)), len(right))
    return comparison.compare(comparison.prepare(column(left)), comparison.prepare(column(right)), i, j)


@given(columns)
@settings(deadline=None)
def test_measures_lie_between_0_and_1_and_have_no_side(given: tuple[str, list[str], list[str]]) -> None:
    name, left, right = given
    comparison = REGISTRY.build(name).fit(column(left + right))
    forth, back = every_two(comparison, left, right), every_two(comparison, right, left)
    assert forth.dtype == np.float32
    assert forth.shape == (len(left) * len(right), len(comparison.measures))
    present = forth[~np.isnan(forth)]
    assert ((present >= 0) & (present <= 1)).all()
    turned = back.reshape(len(right), len(left), -1).swapaxes(0, 1).reshape(forth.shape)
    np.testing.assert_allclose(forth, turned, atol=1e-6)


@given(columns)
@settings(deadline=None)
def test_a_value_is_as_much_like_itself_as_can_be(given: tuple[str, list[str], list[str]]) -> None:
    name, left, _ = given
    comparison = REGISTRY.build(name).fit(column(left))
    prepared = comparison.prepare(column(left))
    own = np.arange(len(left))
    found = comparison.compare(prepared, prepared, own, own)
    for k, measure in enumerate(comparison.measures):
        if measure not in ("rarity", "rarest_shared"):
            values = found[:, k]
            np.testing.assert_allclose(values[~np.isnan(values)], 1, atol=1e-5)
    missing = prepared["number"] < 0
    assert np.isnan(found[missing]).all()
    assert not np.isnan(found[~missing]).all(axis=1).any()


@given(columns)
@settings(deadline=None)
def test_a_pair_does_not_hang_on_what_else_is_compared(given: tuple[str, list[str], list[str]]) -> None:
    name, left, right = given
    comparison = REGISTRY.build(name).fit(column(left + right))
    whole = every_two(comparison, left, right).reshape(len(left), len(right), -1)
    one = every_two(comparison, left[-1:], right[:1])
    np.testing.assert_array_equal(whole[-1, 0], one[0])


@pytest.mark.parametrize("name", sorted(REGISTRY.methods))
def test_blocks_of_pairs_and_saving_change_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[str | None] = [None, "2020-02", "3.5", '["a", "b"]', "1,2", "a-1 b"]
    right: list[str | None] = ["2020-02-01", "3", '["b"]', "1,2.001", "a1", "B", "x"]
    comparison = REGISTRY.build(name).fit(column(left + right))
    comparison.save(tmp_path)
    whole = every_two(comparison, left, right)
    np.testing.assert_array_equal(every_two(REGISTRY.load(tmp_path), left, right), whole)
    monkeypatch.setattr(base_module, "BLOCK", 3)
    monkeypatch.setattr(base_module, "chunks", lambda n, size: (slice(s, s + 3) for s in range(0, n, 3)))
    np.testing.assert_array_equal(every_two(comparison, left, right), whole)


def test_every_type_has_a_comparison() -> None:
    assert set(BY_TYPE.values()) == set(REGISTRY.methods)


def test_texts_are_compared_after_normalisation() -> None:
    found = measured("text", ["  Café STRASSE", "abc"], ["cafe\u0301 straße", "abd"])
    assert found["equal"] == [1, 0]
    assert found["word_cosine"] == [1, 0]


def test_a_model_number_decides_however_it_is_written() -> None:
    found = measured("text", ["Sony PSLX350H turntable"] * 3, ["sony ps-lx350h", "sony ps-lx250h", "sony"])
    assert found["codes"][:2] == [1, 0]
    assert np.isnan(found["codes"][2])


def test_rare_words_weigh_more_than_common_ones() -> None:
    known = ["the red", "the blue", "the green", "the zebra"]
    found = measured("text", ["the zebra", "the zebra"], ["zebra crossing", "the crossing"], *known)
    assert found["word_cosine"][0] > found["word_cosine"][1] > 0
    assert found["rarest_shared"][0] > found["rarest_shared"][1] > 0
    assert found["token_set"] == [0.5, 0.5]


def test_numbers_are_equal_as_precisely_as_both_are_given() -> None:
    found = measured("number", ["399.0", "12.49", "10", "-1"], ["399", "12.5", "5", "1"], "0", "10", "20")
    assert found["equal"] == [1, 1, 0, 0]
    assert found["relative"] == [1, 0.999, 0.5, 0]
    assert found["near"][2:] == [0.667, 0.833]  # the scale is 10


def test_dates_agree_as_far_as_both_are_given() -> None:
    found = measured("date", ["2020-02-29", "2020", "2020-01-01"], ["2020-02", "2021", "2020-01-31"])
    assert found["equal"] == [1, 0, 0]
    assert found["same_year"] == [1, 0, 1]
    assert found["near"][2] == 0.5


def test_agreement_on_a_rare_category_says_more() -> None:
    found = measured("category", ["red", "green", "red"], ["Red", "green", "green"], *["red"] * 9, "green")
    assert found["equal"] == [1, 1, 0]
    assert found["rarity"][1] == 1 > found["rarity"][0] > 0 == found["rarity"][2]


def test_identifiers_are_their_letters_and_digits() -> None:
    found = measured("identifier", ["310/246-1501", "AB12"], ["310 2461501", "ab13"])
    assert found == {"equal": [1, 0], "edit": [1, 0.75]}


def test_sets_share_elements_and_nearly_equal_ones_softly() -> None:
    left = ['["Ada Lovelace", "Alan Turing"]', '["a", "b", "c"]']
    right = ['["ada lovelace", "Allan Turing"]', '["b", "c", "d"]']
    found = measured("set", left, right)
    assert found["jaccard"] == [0.333, 0.5]
    assert found["contained"] == [0.5, 0.667]
    assert 0.9 < found["soft_jaccard"][0] < 1
    assert found["soft_jaccard"][1] == 0.5


def test_places_are_as_near_as_the_globe_says() -> None:
    found = measured("place", ["0,0", "0,179.9", "90,0"], ["0,1", "0,-179.9", "90,120"])
    assert found["near"] == [round(1 / 112.195, 3), round(1 / 23.239, 3), 1]
    assert found["equal"] == [0, 0, 1]
