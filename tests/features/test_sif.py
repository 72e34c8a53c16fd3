"""Smooth inverse frequency."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from wordfreq import get_frequency_dict, word_frequency

from xmer_spark.errors import ConfigError
from xmer_spark.features import REGISTRY
from xmer_spark.features.text.vectors import glove

TEXTS = ["the king of the land", "a queen", "cabbage and the apple xyzzyqq"]
CHINESE = ["北京 大学 学生", "北京 大学 老师", "上海 港口 轮船", "上海 港口 船员", "学生 老师", "轮船 船员"]


def test_vectors_equal_a_computation_by_hand() -> None:
    vectors, a = glove(), 1e-3
    means = []
    for text in TEXTS:
        known = [word for word in text.split() if word in vectors.rows]
        weighted = [a / (a + word_frequency(w, "en")) * vectors.matrix[vectors.rows[w]] for w in known]
        means.append(np.sum(weighted, axis=0) / len(known))
    x = np.array(means)
    first = np.linalg.svd(x, full_matrices=False)[2][0]
    expected = x - x @ np.outer(first, first)
    np.testing.assert_allclose(REGISTRY.build("sif").fit(TEXTS).extract(TEXTS), expected, atol=1e-6)


def test_the_common_component_is_orthogonal_to_every_vector() -> None:
    extractor = REGISTRY.build("sif").fit(TEXTS)
    assert np.linalg.norm(extractor.common_) == pytest.approx(1)
    vectors = extractor.extract(["apple pie with cream", "the railway", "and", "?"])
    assert np.abs(vectors @ extractor.common_).max() < 1e-5
    assert np.abs(vectors[:3]).max(axis=1).min() > 1e-3
    assert not vectors[3].any()


def test_chinese_is_weighted_by_chinese_frequencies_and_vectors_of_its_own() -> None:
    parameters = {"vectors": "word2vec", "word2vec": {"dimensions": 8}}
    extractor = REGISTRY.build("sif", parameters).fit(CHINESE)
    vectors = extractor.extract(CHINESE)
    assert vectors.shape == (6, 8)
    assert np.abs(vectors @ extractor.common_).max() < 1e-6
    assert extractor._probability("北京") == get_frequency_dict("zh")["北京"] > 0
    assert extractor._probability("xyzzyqq") == 0


@pytest.mark.parametrize("vectors", ["glove", "word2vec"])
def test_saving_and_loading_changes_nothing(vectors: str, tmp_path: Path) -> None:
    parameters = {"vectors": vectors, "word2vec": {"dimensions": 8, "min_texts": 1}}
    extractor = REGISTRY.build("sif", parameters).fit(TEXTS)
    assert extractor.identity() == REGISTRY.build("sif", parameters).fit(TEXTS).identity()
    extractor.save(tmp_path)
    loaded = REGISTRY.load(tmp_path)
    assert loaded.identity() == extractor.identity()
    np.testing.assert_array_equal(loaded.extract(TEXTS), extractor.extract(TEXTS))


def test_unknown_vectors_and_languages_are_refused() -> None:
    with pytest.raises(ConfigError, match="glove, word2vec, not 'fasttext'"):
        REGISTRY.build("sif", {"vectors": "fasttext"}).fit(TEXTS)
    with pytest.raises(ConfigError, match=r"language must be of .*, en, .*, not 'tlh'"):
        REGISTRY.build("sif", {"language": "tlh"}).fit(TEXTS)


def test_real_news_of_one_class_are_nearer_than_of_others(shared_data: Path) -> None:
    rows = [
        line.split("\t")
        for line in (shared_data / "web_news" / "trainset_txt_img_cat.list").read_text().splitlines()[:250]
    ]
    texts = [(shared_data / "web_news" / "texts" / f"{row[0]}.txt").read_text("utf-8") for row in rows]
    classes = np.array([row[2] for row in rows])
    vectors = REGISTRY.build("sif", {"vectors": "word2vec"}).fit(texts).extract(texts)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    right = (classes[similarity.argmax(axis=1)] == classes).mean()
    most = max((classes == c).mean() for c in set(classes))
    assert right > 2 * most
