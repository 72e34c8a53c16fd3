"""Which type is guessed from which values."""

from __future__ import annotations

import numpy as np
import pytest

from xmer_spark.steps.init.guess import Guess, find_key, guess, is_truth
from xmer_spark.steps.init.profile import Profile, profile

WORDS = ["amber", "river", "stone", "cloud", "maple", "tiger", "copper", "violet", "ember", "frost"]
PEOPLE = [f"{first} {last}" for first in WORDS for last in WORDS]
GENRES = ["Action", "Drama", "Horror", "Comedy"]


def seen(column: str, values: list[object]) -> Profile:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return profile(column, array)


def guessed(column: str, values: list[object]) -> Guess:
    found = guess(seen(column, values))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("price", [f"{n * 1.25}" for n in range(100)], "number"),
        ("price", [f"$1,{n}00.50" for n in range(1, 10)], "number"),
        ("year", ["1999", "2001.0", "1987"] * 20, "number"),
        ("seen", ["2020-01-31", "1999-12", "1998"] * 20, "date"),
        ("seen", ["31.01.2020", "13/12/1999"] * 20, "date"),
        ("released", ["8 September 1960", "Mar 27, 1941", "May 1999"] * 9, "date"),
        ("phone", ["310/246 -1501", "310-475-3585", "(312) 374-3450", "+49 30 123456"] * 5, "identifier"),
        ("zip", ["60616", "60062", "02139"] * 30, "identifier"),
        ("part", [f"PSLX{n}H" for n in range(100)], "identifier"),
        ("part", [f"{n:06d}" for n in range(100)], "identifier"),
        ("barcode_of_it", [f"40{n:011d}" for n in range(100)], "identifier"),
        ("colour", ["red", "Blue ", "green"] * 30, "category"),
        ("in_stock", ["true", "false"] * 30, "category"),
        ("genre", [f"{a},{b}" for a in GENRES for b in GENRES * 20], "category"),  # 16 distinct are few
        ("genre", [f"{a},{b},{c}" for a in GENRES for b in GENRES for c in [*GENRES, ""]], "set"),
        (
            "shown",
            [f"Fall {n}, {w} hall" for n in range(40, 60) for w in WORDS],
            "name",
        ),  # always two parts
        ("tags", [["a", "b"], ["b"], []], "set"),
        ("address", [f"{n} {w} street, Chicago" for n in range(50) for w in WORDS], "name"),
        ("who", list(PEOPLE), "name"),
        ("where", [f"{n}.25, -71.{n}" for n in range(10, 60)], "place"),
        ("about", [" ".join(PEOPLE[n : n + 12]) for n in range(80)], "text"),
        ("scan", [b"\x89PNG", b"\x89PNG2"], "image"),
    ],
)
def test_values_are_taken_for_what_they_look_like(column: str, values: list[object], expected: str) -> None:
    assert guessed(column, values).type == expected


def test_a_set_says_what_stands_between_its_members() -> None:
    people = [f"{WORDS[n % 10]} {n % 7}; {WORDS[n % 9]} {n % 5}{'; et al' * (n % 2)}" for n in range(90)]
    assert guessed("authors", list(people)).separator == ";"


def test_null_markers_and_blanks_are_no_values() -> None:
    found = seen("price", ["1.5", "NULL", " ", "N/A", "-", None, "\u200b", "2.5"])
    assert (found.rows, found.filled, found.share("number")) == (8, 2, 1.0)


def test_the_reason_counts_what_it_is_drawn_from() -> None:
    names = [*PEOPLE[:99], PEOPLE[0], "null"]
    assert guessed("name", list(names)).why == "99 of 100 distinct, mean 11 characters, 1% empty"


def test_dates_that_may_be_two_days_are_a_thing_to_check() -> None:
    found = guessed("day", ["03/04/1998", "25/04/1998"] * 10)
    assert (found.type, found.sure) == ("date", "unsure")
    assert found.why.startswith("50% may be two days and are refused")


def test_nothing_is_guessed_of_an_empty_column_or_of_vectors() -> None:
    assert guess(seen("notes", ["", "n/a"])) is None
    assert guess(seen("embedding", [[0.5] * 16, [0.1] * 16])) is None


def test_the_key_is_the_unique_complete_column_that_is_called_so() -> None:
    columns = [
        seen("title", list(PEOPLE)),
        seen("row", [str(n) for n in range(100)]),
        seen("sku", [f"A{n}" for n in range(100)]),
        seen("parent_id", ["1", "2"] * 50),
    ]
    key = find_key(columns)
    assert key is not None
    assert (key.column, key.sure, key.also_field) == ("sku", "sure", False)


def test_a_key_that_all_the_world_shares_is_a_field_too() -> None:
    key = find_key([seen("isbn", [f"978{n:010d}" for n in range(30)])])
    assert key is not None
    assert key.also_field


def test_a_key_that_names_a_few_rows_twice_is_taken_with_a_warning() -> None:
    key = find_key([seen("id", [*map(str, range(98)), "1", ""]), seen("colour", ["red"] * 100)])
    assert key is not None
    assert (key.sure, key.why) == ("unsure", "2 of 100 repeat or are empty: they are refused")


def test_there_is_no_key_among_columns_that_repeat_or_measure() -> None:
    assert (
        find_key([seen("colour", ["red", "blue"] * 20), seen("price", [f"{n}.5" for n in range(40)])]) is None
    )


@pytest.mark.parametrize(
    ("column", "truth"),
    [("label", True), ("Class", True), ("entity_id", True), ("cluster id", True), ("record label", False)],
)
def test_what_may_be_the_truth_is_known_by_its_name(column: str, truth: bool) -> None:
    assert is_truth(column) is truth
