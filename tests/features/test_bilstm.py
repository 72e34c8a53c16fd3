"""A recurrent network trained on the task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from xmer_spark.features import REGISTRY

SMALL = {"hidden": 16, "embedding": 16, "epochs": 8, "rate": 0.01}
FILLER = ["of", "the", "and", "a", "in", "it", "was", "on"]


def task(n: int, seed: int) -> tuple[list[str], list[str]]:
    """Whether good comes before bad: the words are the same, only their order tells."""
    random = np.random.default_rng(seed)
    texts, labels = [], []
    for i in range(n):
        line = list(random.choice(FILLER, 6))
        first, second = ("good", "bad") if i % 2 else ("bad", "good")
        line.insert(int(random.integers(0, 3)), first)
        line.insert(int(random.integers(4, 8)), second)
        texts.append(" ".join(line))
        labels.append("up" if i % 2 else "down")
    return texts, labels


def nearest_centroid(train: np.ndarray, of: list[Any], new: np.ndarray) -> list[Any]:
    classes = sorted(set(of))
    means = np.stack([train[[label == c for label in of]].mean(axis=0) for c in classes])
    return [classes[i] for i in ((new[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)]


def test_it_learns_what_only_the_order_of_words_tells(tmp_path: Path) -> None:
    texts, labels = task(300, seed=1)
    new, truth = task(100, seed=2)
    extractor = REGISTRY.build("bilstm", SMALL).fit(texts, labels=labels)
    assert extractor.classes_ == ["down", "up"]
    vectors = extractor.extract(new)
    assert vectors.shape == (100, 32)
    found = nearest_centroid(extractor.extract(texts), labels, vectors)
    assert np.mean([f == t for f, t in zip(found, truth, strict=True)]) > 0.95

    extractor.save(tmp_path)
    loaded = REGISTRY.load(tmp_path)
    assert loaded.identity() == extractor.identity()
    np.testing.assert_array_equal(loaded.extract(new), vectors)


def test_training_twice_gives_one_identity() -> None:
    texts, labels = task(60, seed=1)
    quick = {**SMALL, "epochs": 2}
    one, other = (REGISTRY.build("bilstm", quick).fit(texts, labels).identity() for _ in range(2))
    assert one == other
    assert one != REGISTRY.build("bilstm", {**quick, "seed": 1}).fit(texts, labels).identity()


def test_items_without_a_class_take_no_part() -> None:
    texts, labels = task(40, seed=1)
    quick = {**SMALL, "epochs": 1}
    some = REGISTRY.build("bilstm", quick).fit([*texts, "unseen words"], [*labels, None])
    assert some.identity() == REGISTRY.build("bilstm", quick).fit(texts, labels).identity()


def test_without_classes_it_learns_the_words_of_the_texts() -> None:
    subjects = ["train railway station track", "apple fruit pear juice"]
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(subjects[i % 2].split(), 4)) for i in range(100)]
    extractor = REGISTRY.build("bilstm", SMALL).fit(texts, labels=[None] * 100)
    assert extractor.classes_ == []
    found = nearest_centroid(extractor.extract(texts), [0, 1] * 50, extractor.extract(subjects))
    assert found == [0, 1]


def test_padding_changes_no_vector_and_empty_texts_have_one() -> None:
    extractor = REGISTRY.build("bilstm", {**SMALL, "epochs": 1}).fit(*task(40, seed=1))
    short, empty = extractor.extract(["good", ""])
    together = extractor.extract(["good", "bad " * 40, ""])
    np.testing.assert_array_equal(together[[0, 2]], [short, empty])
    assert np.isfinite(together).all()
