"""Word vectors learned from the training texts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xmer_spark.errors import XmerError
from xmer_spark.features import REGISTRY

TOPICS = [
    ["train", "railway", "station", "locomotive", "track", "platform"],
    ["apple", "fruit", "pear", "cherry", "juice", "orchard"],
    ["sea", "ship", "harbour", "wave", "sailor", "anchor"],
]


def corpus(n: int = 300) -> list[str]:
    random = np.random.default_rng(0)
    return [" ".join(random.choice(TOPICS[i % 3], 8)) for i in range(n)]


def test_words_of_one_topic_are_nearer_than_words_of_others(tmp_path: Path) -> None:
    extractor = REGISTRY.build("word2vec", {"dimensions": 20, "epochs": 20}).fit(corpus())
    vectors = extractor.extract([word for topic in TOPICS for word in topic])
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    same = np.equal.outer(np.arange(18) // 6, np.arange(18) // 6)
    similarity = vectors @ vectors.T
    assert similarity[same].min() > similarity[~same].max()

    extractor.save(tmp_path)
    loaded = REGISTRY.load(tmp_path)
    assert loaded.identity() == extractor.identity()
    np.testing.assert_array_equal(loaded.extract(["train ship", "?"]), extractor.extract(["train ship", "?"]))


def test_vectors_are_the_same_in_another_process() -> None:
    program = (
        "import sys\n"
        "from xmer_spark.features import REGISTRY\n"
        "print(REGISTRY.build('word2vec', {'dimensions': 8}).fit(sys.argv[1:]).identity())"
    )
    texts = corpus(30)
    other = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *texts],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == REGISTRY.build("word2vec", {"dimensions": 8}).fit(texts).identity()


def test_unknown_words_are_skipped_and_rare_ones_not_learned() -> None:
    extractor = REGISTRY.build("word2vec", {"dimensions": 8}).fit([*corpus(30), "hapax train"])
    assert "hapax" not in extractor.words_
    one, with_unknown, none = extractor.extract(["train", "train hapax", "hapax"])
    np.testing.assert_array_equal(one, with_unknown)
    assert not none.any()
    with pytest.raises(XmerError, match="at least 2 of them"):
        REGISTRY.build("word2vec").fit(["a", "b"])


def test_chinese_news_put_related_words_together(shared_data: Path) -> None:
    files = sorted((shared_data / "web_news" / "texts").glob("*.txt"))[:200]
    extractor = REGISTRY.build("word2vec", {"dimensions": 50, "epochs": 5})
    extractor.fit([file.read_text("utf-8") for file in files])
    assert len(extractor.words_) > 500
    assert np.isfinite(extractor.vectors_).all()
