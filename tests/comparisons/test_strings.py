"""Hashed words, codes and n-grams, beside the plain way to find them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmer_spark.comparisons import rarity as rarity_module
from xmer_spark.comparisons import strings as strings_module
from xmer_spark.comparisons.rarity import Rarity, Rows, shared
from xmer_spark.comparisons.strings import Terms, Text, hashes, normalised

texts = st.lists(st.text("ab1 -é京", max_size=12).map(normalised), max_size=8)


def by_text(terms: Terms, count: int) -> list[set[int]]:
    return [set(terms.term[terms.text == text].tolist()) for text in range(count)]


def alike(found: list[set[int]], expected: list[set[str]]) -> bool:
    """Whether the hashes stand for the terms, one for each: the same in number and in what is shared."""
    return all(
        len(found[i] & found[j]) == len(expected[i] & expected[j])
        for i in range(len(found))
        for j in range(len(found))
    )


@given(texts)
def test_words_are_runs_of_letters_and_digits_and_single_wide_characters(given: list[str]) -> None:
    expected = [set(re.findall(r"京|[ab1é]+", text)) for text in given]
    assert alike(by_text(Text(given).words(), len(given)), expected)


@given(texts)
def test_codes_are_what_has_a_digit_without_punctuation(given: list[str]) -> None:
    expected = [{t.replace("-", "") for t in text.split(" ") if "1" in t} for text in given]
    assert alike(by_text(Text(given).codes(), len(given)), expected)


@given(texts)
def test_ngrams_are_windows_of_the_text_between_two_spaces(given: list[str]) -> None:
    padded = [f" {text} " for text in given]
    expected = [{t[k : k + n] for n in (3, 4) for k in range(len(t) - n + 1)} for t in padded]
    assert alike(by_text(Text(given).ngrams((3, 4)), len(given)), expected)


@given(texts)
def test_equal_texts_have_equal_hashes_and_others_do_not(given: list[str]) -> None:
    assert len(set(hashes(given).tolist())) == len(set(given))


@given(texts, st.integers(0, 99))
def test_shared_terms_weigh_as_a_dense_matrix_says(given: list[str], seed: int) -> None:
    terms, count = Text(given).words(), len(given)
    rarity = Rarity.of(terms, np.ones(count), 100)
    rows = Rows.of(terms, rarity, count, 100)
    x, y = np.random.default_rng(seed).integers(0, max(count, 1), (2, 20 if count else 0))
    vocabulary, column = np.unique(terms.term, return_inverse=True)
    dense = np.zeros((count, len(vocabulary)))
    dense[terms.text, column] = rarity.weights(terms.term)
    norm = np.linalg.norm(dense, axis=1)
    found = shared(rows, rows, x, y)
    with np.errstate(invalid="ignore"):
        expected = (dense[x] * dense[y]).sum(axis=1) / (norm[x] * norm[y])
    np.testing.assert_allclose(found.cosine, expected, atol=1e-5)
    both = np.minimum(dense[x], dense[y]).max(axis=1, initial=0)
    np.testing.assert_allclose(found.rarest, np.where(norm[x] * norm[y] > 0, both, np.nan), atol=1e-4)


@pytest.mark.parametrize("slots", [1, 4, 1 << 13])
def test_terms_are_found_however_many_share_a_slot(monkeypatch: pytest.MonkeyPatch, slots: int) -> None:
    monkeypatch.setattr(rarity_module, "_SLOTS", slots)
    monkeypatch.setattr(rarity_module, "_FEWEST", 1)
    random = np.random.default_rng(0)
    texts = [" ".join(map(str, random.integers(0, 30, random.integers(0, 20)))) for _ in range(40)]
    terms = Text(texts).words()
    rows = Rows.of(terms, Rarity.of(terms, np.ones(40), 10), 40, 64)
    x, y = np.divmod(random.permutation(40 * 40), 40)
    expected = [len(set(texts[i].split()) & set(texts[j].split())) for i, j in zip(x, y, strict=True)]
    assert shared(rows, rows, x, y).terms.tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=30))
def test_terms_are_distinct_and_in_order_within_each_text(given: list[tuple[int, int]]) -> None:
    text, term = np.array(sorted(given, key=lambda each: each[0]), np.int64).reshape(-1, 2).T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strings_module, "_SORTED", 4)
        found = strings_module.by_text(text, term)
    assert list(zip(*(column.tolist() for column in found), strict=True)) == sorted(set(given))


def test_the_rarest_terms_of_a_long_text_are_kept() -> None:
    terms = Text(["a b c", "a b", "a"]).words()
    rows = Rows.of(terms, Rarity.of(terms, np.ones(3), 100), 3, most=2)
    assert rows.terms.tolist() == [2, 2, 1]
    assert shared(rows, rows, np.array([0]), np.array([2])).terms.tolist() == [0]  # "a" is in all


def test_a_frequent_value_counts_as_often_as_it_occurs() -> None:
    terms = Text(["a", "b"]).words()
    rarity = Rarity.of(terms, np.array([9, 2]), 100)
    assert rarity.weights(terms.term)[0] < rarity.weights(terms.term)[1] < rarity.highest
