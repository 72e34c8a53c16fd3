"""Scalar values: what means the same becomes the same, and what may mean two things is refused."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmer_spark.config import Field
from xmer_spark.sources.canonical import canonical

WORD = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=6).filter(
    lambda word: not word.startswith("[") and ";" not in word
)


def one(type_: str, value: str, separator: str | None = None) -> str | None:
    found, problems = canonical(pa.array([value]), Field(type=type_, separator=separator))  # type: ignore[arg-type]
    assert (found[0].as_py() is None) == (problems[0].as_py() is not None)
    return found[0].as_py()  # type: ignore[no-any-return]


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9))
def test_a_number_is_the_same_however_it_is_written(number: Decimal) -> None:
    plain = one("number", str(number))
    assert plain is not None
    assert Decimal(plain) == number
    english = f"{number:,}"
    continental = english.translate(str.maketrans(",.", ".,"))
    assert {one("number", text) for text in (english, continental, f"€ {english}", f"{continental} €")} == {
        plain
    }


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20))
def test_a_number_s_form_does_not_change_again(number: Decimal) -> None:
    plain = one("number", f"{number:f}")
    assert plain is not None
    assert one("number", plain) == plain
    assert plain == "0" or not plain.startswith(("-0.0 ", "+", "."))


@pytest.mark.parametrize("text", ["1,234", "-12,500", "12 kg", "1.2.3", "one", "--1", "1e400", "1 2"])
def test_what_may_be_two_numbers_or_is_none_is_refused(text: str) -> None:
    assert one("number", text) is None


@settings(deadline=None)
@given(st.dates(min_value=date(1000, 1, 1)))
def test_a_date_is_the_same_however_it_is_written(day: date) -> None:
    forms = [
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%Y%m%d",
        "%d.%m.%Y",
        "%d %B %Y",
        "%B %d, %Y",
        "%d %b %Y",
        "%Y-%m-%dT10:11:12Z",
    ]
    assert {one("date", day.strftime(form)) for form in forms} == {day.isoformat()}
    assert one("date", day.strftime("%B %Y")) == day.isoformat()[:7]
    slashes = one("date", day.strftime("%d/%m/%Y"))
    assert slashes == (day.isoformat() if day.day > 12 or day.day == day.month else None)


@pytest.mark.parametrize(
    "text", ["03/04/1998", "3/4/98", "1998-02-29", "1998-13-01", "32.1.2000", "soon", "0000"]
)
def test_what_may_be_two_days_or_is_none_is_refused(text: str) -> None:
    assert one("date", text) is None


@settings(deadline=None)
@given(st.lists(WORD, min_size=1, max_size=6))
def test_a_set_is_the_same_as_a_list_and_as_a_string(words: list[str]) -> None:
    listed, parted = one("set", json.dumps(words)), one("set", "; ".join(words), ";")
    assert listed is not None
    assert listed == parted
    assert json.loads(listed) == sorted(set(json.loads(listed)))


def test_brackets_and_full_stops_around_a_date_do_not_count() -> None:
    found = [one("date", text) for text in ("(1993).", "1995,", "[1988]", "1992,'")]
    assert found == ["1993", "1995", "1988", "1992"]


def test_a_set_without_members_is_missing_and_a_broken_list_is_refused() -> None:
    found, problems = canonical(pa.array(["[]", " ; ", "[1,"]), Field(type="set", separator=";"))
    assert found.to_pylist() == [None] * 3
    assert [problem is None for problem in problems.to_pylist()] == [True, True, False]


@pytest.mark.parametrize("text", ["[" * 100_000, '["half a pair: \\ud83d"]', "[1,", "[]]"])
def test_what_is_no_list_of_texts_is_refused_by_itself(text: str) -> None:
    found, problems = canonical(pa.array([text, '["a"]']), Field(type="set"))
    assert found.to_pylist() == [None, '["a"]']
    assert [problem is None for problem in problems.to_pylist()] == [False, True]


@settings(deadline=None)
@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_place_is_two_numbers_in_their_range(latitude: float, longitude: float) -> None:
    text = one("place", f"{latitude:.4f}, {longitude:.4f}")
    assert text is not None
    assert [float(part) for part in text.split(",")] == [float(f"{latitude:.4f}"), float(f"{longitude:.4f}")]
    assert one("place", f"{latitude + 181:.4f}, {longitude:.4f}") is None


@pytest.mark.parametrize("type_", ["name", "category", "identifier"])
def test_words_have_one_space_between_them(type_: str) -> None:
    assert one(type_, "a\u00a0 \n b") == "a b"
