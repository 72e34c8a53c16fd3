"""Each blocker of records beside its definition, written out pair by pair."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from math import log

import numpy as np
import pyarrow as pa
import pytest

from tests.blocking.records.world import PARAMETERS, blocker, products
from xmer_spark.blocking.records.base import RecordBlocker, Records
from xmer_spark.blocking.records.joint import all_pairs, marked
from xmer_spark.errors import ConfigError

LEFT, RIGHT = products(90, 1), products(80, 2, first_key=1)
Pairs = set[tuple[int, int]]


def pairs_of(one: RecordBlocker, left: Records, right: Records | None = None) -> Pairs:
    fitted = one.fit(left, left if right is None else right)
    found = all_pairs([fitted], left, right)
    pairs = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert len(pairs) == len(found.left)
    return pairs


def plain(text: str | None) -> str:
    return " ".join(unicodedata.normalize("NFKC", (text or "").lower()).split())


def brute(score: np.ndarray, top: int) -> Pairs:
    """Those among the best of their row or of their column, and above 0."""
    of_left = -np.sort(-score, axis=1)[:, top - 1 : top]
    of_right = -np.sort(-score, axis=0)[top - 1 : top]
    kept = (score > 0) & ((score >= of_left) | (score >= of_right))
    return set(zip(*(side.tolist() for side in np.nonzero(kept)), strict=True))


def words_of(records: Records) -> list[set[str]]:
    found = []
    for row in records.table.select(["name", "model", "brand", "year"]).to_pylist():
        words = {word for value in row.values() for word in re.findall(r"\w+", plain(value))}
        pieces = {piece for value in row.values() for piece in plain(value).split()}
        codes = {re.sub(r"\W", "", piece) for piece in pieces if re.search(r"\d", piece)}
        found.append(words | codes)
    return found


def best_but_for_ties(found: Pairs, score: np.ndarray, top: int) -> None:
    """Whether these are the pairs of the best scores of either record, whichever of equal ones they are."""
    assert found <= brute(score, top)
    above = score > np.sort(score, axis=1)[:, -top:][:, :1]
    above |= score > np.sort(score, axis=0)[-top:][:1]
    assert set(zip(*(side.tolist() for side in np.nonzero(above)), strict=True)) <= found


def shared_weights(left: Records, right: Records, spread: float) -> np.ndarray:
    a, b = words_of(left), words_of(right)
    in_a, in_b = Counter(w for row in a for w in row), Counter(w for row in b for w in row)
    size = len(a) + len(b)
    weight = {
        word: round(64 * log(size / (in_a[word] + in_b[word])) ** 2)
        for word in in_a.keys() & in_b.keys()
        if in_a[word] * in_b[word] <= spread * size and (left is not right or in_a[word] > 1)
    }

    def total(words: set[str]) -> int:
        return sum(weight.get(word, 0) for word in words)

    lengths = [[max(1, total(words)) ** 0.5 for words in side] for side in (a, b)]
    shared = np.array([[total(one & other) for other in b] for one in a])
    return np.asarray(shared / np.outer(*lengths)).round(9)


def test_tokens_keep_the_heaviest_pairs_of_either_record() -> None:
    one = blocker("tokens", top=3, spread=2.0)
    found = pairs_of(one, LEFT, RIGHT)
    best_but_for_ties(found, shared_weights(LEFT, RIGHT, 2.0), 3)
    assert 150 < len(found) <= 3 * (len(LEFT.keys) + len(RIGHT.keys))


def test_what_no_counted_record_or_one_side_alone_said_brings_later_records_together() -> None:
    left = Records(np.arange(3), pa.table({"name": ["north wind", "amber", "cedar"]}))
    right = Records(np.arange(3, 5), pa.table({"name": ["north star", "flint"]}))
    counted = blocker("tokens").fit(left, right)
    more = Records(np.arange(5, 8), pa.table({"name": ["amber", "quartz", "north"]}))
    found = all_pairs([counted], left, more)
    assert set(zip(found.left.tolist(), found.right.tolist(), strict=True)) == {(1, 0), (0, 2)}
    found = all_pairs([counted], Records(np.arange(9, 10), pa.table({"name": ["quartz"]})), more)
    assert set(zip(found.left.tolist(), found.right.tolist(), strict=True)) == {(0, 1)}


def test_character_runs_find_words_that_are_misspelt() -> None:
    left = Records(np.arange(3), pa.table({"name": ["northwind trader", "contoso", "fabrikam"]}))
    right = Records(np.arange(3, 6), pa.table({"name": ["adventure", "nortwind", "contosso"]}))
    assert pairs_of(blocker("tokens"), left, right) == set()
    assert pairs_of(blocker("tokens", grams=3), left, right) >= {(0, 1), (1, 2)}


def test_a_record_is_no_candidate_of_itself_nor_does_it_count_among_its_best() -> None:
    records = products(80, 3, things=30)
    weights = shared_weights(records, records, 20.0)
    np.fill_diagonal(weights, 0)
    found = pairs_of(blocker("tokens", top=2), records)
    best_but_for_ties(found | {(j, i) for i, j in found}, weights, 2)
    assert all(i < j for i, j in found)


def test_rules_want_every_key_of_one_rule_equal_and_there() -> None:
    found = pairs_of(blocker("rules"), LEFT, RIGHT)
    rows = [
        [
            (
                re.sub(r"\W", "", plain(r["model"])),
                (plain(r["brand"]), plain(r["year"]), plain(r["name"])[:3]),
            )
            for r in records.table.to_pylist()
        ]
        for records in (LEFT, RIGHT)
    ]
    expected = {
        (i, j)
        for i, (code, keys) in enumerate(rows[0])
        for j, (other, others) in enumerate(rows[1])
        if (code and code == other) or (all(keys) and keys == others)
    }
    assert found == expected
    assert len(expected) > 40


def test_sorted_neighbours_are_within_the_window_of_all_records_in_order() -> None:
    found = pairs_of(blocker("sorted_neighbourhood"), LEFT, RIGHT)
    order = sorted(
        (plain(r["name"]), plain(r["year"]), r["record_key"], side, n)
        for side, records in enumerate((LEFT, RIGHT))
        for n, r in enumerate(records.table.to_pylist())
        if r["name"] and r["year"]
    )
    expected = set()
    for start in range(len(order)):
        for a in order[start : start + 4]:
            expected |= {(a[4], b[4]) for b in order[start : start + 4] if (a[3], b[3]) == (0, 1)}
    assert found == expected


def test_codes_and_nearest_codes_see_only_records_that_have_one() -> None:
    codes = [records.table["photo/code"].to_pylist() for records in (LEFT, RIGHT)]
    equal = np.zeros((len(codes[0]), len(codes[1])), int)
    for i, a in enumerate(codes[0]):
        for j, b in enumerate(codes[1]):
            if a and b:
                equal[i, j] = 129 - sum(((x ^ y) % 2**64).bit_count() for x, y in zip(a, b, strict=True))
    near = set(zip(*(side.tolist() for side in np.nonzero(equal >= 129 - 6)), strict=True))
    assert pairs_of(blocker("codes"), LEFT, RIGHT) == near
    assert len(near) > 30
    assert pairs_of(blocker("nearest_codes"), LEFT, RIGHT) == brute(equal, 2)


def test_a_code_may_be_compared_with_the_code_of_another_field() -> None:
    other = Records(RIGHT.keys, RIGHT.table.rename_columns({"photo/code": "title/code"}))
    field = "photo/code~title/code"
    assert pairs_of(blocker("codes", field=field), LEFT, other) == pairs_of(blocker("codes"), LEFT, RIGHT)
    with pytest.raises(ConfigError, match="with itself"):
        all_pairs([blocker("codes", field=field).fit(LEFT, other)], LEFT)


def test_canopies_hold_what_is_near_to_a_centre() -> None:
    one = blocker("canopy", loose=0.3, tight=0.6)
    found = pairs_of(one, LEFT, RIGHT)
    weights = shared_weights(LEFT, RIGHT, 20.0)
    assert all(weights[pair] > 0 for pair in pairs_of(blocker("canopy", loose=1.0, tight=1.0), LEFT, RIGHT))
    a, b = marked(one, LEFT, RIGHT)
    together = (a.made @ b.made.T).toarray() > 0
    assert found == set(zip(*(side.tolist() for side in np.nonzero(together)), strict=True))
    strict = blocker("canopy", loose=0.6, tight=0.6)
    assert len(pairs_of(strict, LEFT, RIGHT)) < len(found) < len(LEFT.keys) * len(RIGHT.keys) / 4


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_records_without_anything_to_compare_are_no_candidates(name: str) -> None:
    empty = RIGHT.table.select(["record_key"]).to_pandas()
    for column in ("name", "model", "brand", "year"):
        empty[column] = None
    types = [(c, RIGHT.table.schema.field(c).type) for c in RIGHT.table.column_names if c != "thing"]
    nothing = pa.table({c: pa.array([None] * len(empty), t) for c, t in types})
    assert pairs_of(blocker(name), LEFT, Records(RIGHT.keys, nothing)) == set()
    assert pairs_of(blocker(name), LEFT.take(np.arange(0)), RIGHT) == set()


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("rules", {"rules": []}, "list of rules"),
        ("rules", {"rules": [["name:third3"]]}, "first3"),
        ("rules", {"rules": [["colour"]]}, "no column of text 'colour'"),
        ("tokens", {"grams": 1}, "at least 2"),
        ("tokens", {"top": 0}, "top"),
        ("sorted_neighbourhood", {"window": 1}, "at least 2"),
        ("canopy", {"loose": 0.7, "tight": 0.5}, "loose <= tight"),
        ("codes", {"field": "sound/code"}, "sound/code"),
        ("codes", {"method": "top_k", "settings": {}}, "bands, cells, radius, scan"),
    ],
)
def test_what_is_wrong_is_named(name: str, changes: dict[str, object], message: str) -> None:
    one = blocker(name, **changes)
    with pytest.raises(ConfigError, match=message):
        pairs_of(one, LEFT, RIGHT)
