"""Made-up people in two sources, five strings a row, with the truth of which rows are one person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIELDS = ("given", "surname", "street", "town", "mail")
#: Of the rows of a source, those whose person the other source has, too.
PARTNERS = 0.7
#: Of the partners' values, those that are misspelt, or are others by now; of all values, those missing.
MISSPELT = {"given": 0.08, "surname": 0.08, "street": 0.12, "town": 0.05, "mail": 0.05}
CHANGED = {"given": 0.02, "surname": 0.04, "street": 0.1, "town": 0.06, "mail": 0.15}
MISSING = {"given": 0.02, "surname": 0.01, "street": 0.08, "town": 0.04, "mail": 0.25}
#: Of the partners, those whose given name and surname stand in each other's place.
SWAPPED = 0.02
#: How many values there are, and how flat the most frequent ones are: the commonest given name is had by
#: one in twenty, the commonest surname by one in a hundred.
VALUES = {"given": (2_000, 2), "surname": (50_000, 10), "street": (20_000, 20), "town": (3_000, 5)}
HOUSES = 120
HOSTS = np.array(["post.example", "mail.example", "letters.example", "office.example", "box.example"])
_CONSONANTS, _VOWELS = np.array(list("bcdfghjklmnprstvwz")), np.array(list("aeiouy"))


def write_rows(folder: Path, rows: int, seed: int) -> None:
    """``a.parquet`` and ``b.parquet``, each of so many rows in an order of its own, with the ``person``."""
    random = np.random.default_rng(seed)
    shared = round(PARTNERS * rows)
    people = _people(3 * rows - shared, random)
    of_left = np.arange(rows)
    of_right = np.r_[np.arange(shared), np.arange(rows, 2 * rows - shared)]
    left = {field: values[of_left] for field, values in people.items()}
    right = {
        field: _as_others_say(field, values[of_right], values[-rows:], random)
        for field, values in people.items()
    }
    given, surname, swapped = right["given"], right["surname"], random.random(rows) < SWAPPED
    right["given"], right["surname"] = np.where(swapped, surname, given), np.where(swapped, given, surname)
    for name, columns, person in (("a", left, of_left), ("b", right, of_right)):
        order = random.permutation(rows)
        table = {
            field: pa.array(values[order], mask=random.random(rows) < MISSING[field])
            for field, values in columns.items()
        }
        keys = np.char.add(f"{name}-", np.arange(rows).astype(str))
        whole = pa.table({"key": pa.array(keys), **table, "person": person[order]})
        pq.write_table(whole, folder / f"{name}.parquet", row_group_size=50_000)


def _people(count: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The strings of so many people, by field."""
    drawn = {field: _often_and_rarely(count, *VALUES[field], random) for field in VALUES}
    words = {field: _words(VALUES[field][0], random)[drawn[field]] for field in VALUES}
    house = random.integers(1, HOUSES, count).astype(str)
    words["street"] = np.char.add(np.char.add(house, " "), np.char.add(words["street"], " road"))
    return words | {"mail": _mails(count, random)}


def _mails(count: int, random: np.random.Generator) -> np.ndarray:
    """Addresses that hardly any two people have."""
    name = np.char.add(_words(40_000, random)[random.integers(0, 40_000, count)], ".")
    number = random.integers(0, 10_000, count).astype(str)
    host = np.char.add("@", HOSTS[_often_and_rarely(count, len(HOSTS), 1, random)])
    return np.char.add(np.char.add(name, number), host)


def _often_and_rarely(count: int, values: int, flat: int, random: np.random.Generator) -> np.ndarray:
    """Numbers of values (count) as frequent as Zipf and Mandelbrot say: 1 / (rank + flat)."""
    share = np.cumsum(1 / (np.arange(1, values + 1) + flat))
    return np.searchsorted(share, random.random(count) * share[-1])


def _words(count: int, random: np.random.Generator) -> np.ndarray:
    """So many distinct words of two to four syllables, in no order: numbers written in syllables."""
    syllables = np.char.add(_CONSONANTS[:, None], _VOWELS).ravel()
    base, number = len(syllables), 97 * random.permutation(count) + len(syllables)
    words = np.char.add(syllables[number % base], syllables[number // base % base])
    for power in (2, 3):
        more = number // base**power
        words = np.char.add(words, np.where(more > 0, syllables[more % base], ""))
    return words


def _as_others_say(
    field: str, values: np.ndarray, others: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """The values of the same people as another source knows them: some are ``others``, some misspelt."""
    said = np.where(random.random(len(values)) < CHANGED[field], others, values)
    return np.where(random.random(len(values)) < MISSPELT[field], _misspelt(said, random), said)


def _misspelt(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each value with one letter after its first replaced, left out, or behind the next one."""
    values = np.ascontiguousarray(values)
    width = values.dtype.itemsize // 4
    letters = values.view(np.uint32).reshape(-1, width)
    rows, places = np.arange(len(values)), np.arange(width)
    at = 1 + (random.random(len(values)) * (np.char.str_len(values) - 2)).astype(np.int64)
    wrong = letters.copy()
    wrong[rows, at] = random.integers(ord("a"), ord("z") + 1, len(values))
    moved = np.c_[letters[:, 1:], np.zeros(len(values), np.uint32)]
    shorter = np.where(places >= at[:, None], moved, letters)
    turned = letters.copy()
    turned[rows, at], turned[rows, at + 1] = letters[rows, at + 1], letters[rows, at]
    kind = random.integers(0, 3, len(values))[:, None]
    chosen = np.ascontiguousarray(np.select([kind == 0, kind == 1], [wrong, shorter], turned))
    return chosen.view(values.dtype).ravel()
