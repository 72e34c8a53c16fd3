"""Texts to words."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmer_spark.features.text.tokens import counts, is_chinese, vocabulary, words


def test_english_is_split_at_whatever_is_no_letter_or_digit() -> None:
    assert words("The Cat's 2nd e-mail: don't_panic!") == [
        *("the", "cat", "s", "2nd", "e", "mail", "don", "t", "panic"),
    ]  # fmt: skip


def test_chinese_is_segmented_into_words() -> None:
    assert words("我来到北京清华大学。") == ["我", "来到", "北京", "清华大学"]


def test_a_mixed_text_keeps_its_order() -> None:
    assert words("2024年iPhone在北京发布, price ５００元") == [
        *("2024", "年", "iphone", "在", "北京", "发布", "price", "500", "元"),
    ]  # fmt: skip


def test_marks_stay_with_their_letters_in_every_script() -> None:
    assert words("हिन्दी भाषा") == ["हिन्दी", "भाषा"]
    assert words("Cafe\u0301 naïve ПРИВЕТ") == ["café", "naïve", "привет"]


def test_chinese_words_are_known_by_their_script() -> None:
    assert [is_chinese(word) for word in ("北京", "beijing", "2024", "")] == [True, False, False, False]


def test_the_segmenter_says_nothing(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from xmer_spark.features.text import tokens

    tokens._segmenter.cache_clear()
    with caplog.at_level(logging.DEBUG):
        words("清华大学")
    assert not [record for record in caplog.records if "jieba" in record.name]
    assert capfd.readouterr() == ("", "")


@given(st.text())
def test_words_are_not_empty_and_hold_no_space(text: str) -> None:
    assert all(word and not any(c.isspace() for c in word) for word in words(text))


@given(st.lists(st.lists(st.sampled_from("abcde")), max_size=6))
def test_counts_add_up_to_the_known_words(texts: list[list[str]]) -> None:
    known = vocabulary(texts, size=3)
    matrix = counts(texts, known).toarray()
    assert matrix.tolist() == [[text.count(word) for word in known] for text in texts]


def test_real_news_are_split_into_words_of_a_few_characters(shared_data: Path) -> None:
    files = sorted((shared_data / "web_news" / "texts").glob("*.txt"))[:30]
    found = [word for file in files for word in words(file.read_text("utf-8")) if is_chinese(word)]
    assert len(found) > 500
    assert 1.5 < sum(map(len, found)) / len(found) < 2.5
