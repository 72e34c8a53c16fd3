"""Counts of words."""

from __future__ import annotations

import numpy as np
import pytest

from xmer_spark.errors import XmerError
from xmer_spark.features import REGISTRY
from xmer_spark.features.text.tokens import words

TEXTS = [
    "red apple, red fruit",
    "green apple, fruit",
    "steam train, railway",
    "train train train",
    "北京 apple",
]


def test_counts_equal_those_of_scikit_learn() -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    theirs = CountVectorizer(analyzer=words, min_df=1, max_df=0.5)
    expected = theirs.fit_transform(TEXTS).toarray()
    ours = REGISTRY.build("bow", {"max_share": 0.5}).fit(TEXTS)
    assert ours.vocabulary_ == theirs.get_feature_names_out().tolist()
    np.testing.assert_array_equal(ours.extract(TEXTS), expected)


def test_sublinear_counts_are_one_plus_their_logarithm() -> None:
    extractor = REGISTRY.build("bow", {"sublinear": True}).fit(TEXTS)
    vector = dict(zip(extractor.vocabulary_, extractor.extract(["train train train apple"])[0], strict=True))
    assert vector.pop("train") == pytest.approx(1 + np.log(3))
    assert vector.pop("apple") == 1
    assert not any(vector.values())


def test_inverse_weights_words_by_the_share_of_training_texts_without_them() -> None:
    extractor = REGISTRY.build("bow", {"inverse": True}).fit(TEXTS)
    found = extractor.extract(["train train apple"])[0]
    vector = dict(zip(extractor.vocabulary_, found, strict=True))
    assert vector["train"] == pytest.approx(2 * (1 + np.log(5 / 2)))
    assert vector["apple"] == pytest.approx(1 + np.log(5 / 3))
    assert np.count_nonzero(found) == 2


def test_the_most_frequent_words_are_kept_and_unknown_ones_skipped() -> None:
    extractor = REGISTRY.build("bow", {"vocabulary": 2}).fit(TEXTS)
    assert extractor.vocabulary_ == ["apple", "train"]
    assert extractor.extract(["apple and pear", "?"]).tolist() == [[1, 0], [0, 0]]


def test_texts_without_a_usable_word_are_refused_in_words() -> None:
    with pytest.raises(XmerError, match=r"bow: none of the 2 training texts .* at least 2 of them"):
        REGISTRY.build("bow", {"min_texts": 2}).fit(["one", "two"])
    with pytest.raises(XmerError, match="not fitted"):
        REGISTRY.build("bow").extract(TEXTS)
