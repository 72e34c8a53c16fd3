"""Topics of texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xmer_spark.features import REGISTRY
from xmer_spark.features.text.tokens import words

RAIL = ["train", "railway", "station", "locomotive", "track", "platform"]
FOOD = ["apple", "fruit", "pear", "cherry", "juice", "orchard"]


def corpus(n: int = 60) -> list[str]:
    random = np.random.default_rng(0)
    return [" ".join(random.choice(FOOD if i % 2 else RAIL, 8)) for i in range(n)]


def test_topics_equal_those_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.decomposition import LatentDirichletAllocation
    from sklearn.feature_extraction.text import CountVectorizer

    texts = corpus()
    vectorizer = CountVectorizer(analyzer=words, min_df=2, max_df=0.5)
    theirs = LatentDirichletAllocation(3, learning_method="online", max_iter=4, random_state=5)
    theirs.fit(vectorizer.fit_transform(texts).astype(float))
    new = ["train track apple", "juice juice", "nothing known"]
    expected = theirs.transform(vectorizer.transform(new).astype(float))

    ours = REGISTRY.build("lda", {"topics": 3, "passes": 4, "seed": 5}).fit(texts)
    np.testing.assert_allclose(ours.components_, theirs.components_, rtol=1e-12)
    np.testing.assert_allclose(ours.extract(new), expected, atol=1e-7)
    ours.save(tmp_path)
    np.testing.assert_array_equal(REGISTRY.load(tmp_path).extract(new), ours.extract(new))


def test_the_shares_of_topics_sum_to_one_and_tell_subjects_apart() -> None:
    extractor = REGISTRY.build("lda", {"topics": 2}).fit(corpus())
    shares = extractor.extract(["train station platform track", "pear orchard cherry apple", "?"])
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert shares[0].argmax() != shares[1].argmax()
    assert shares[:2].max(axis=1).min() > 0.8
    np.testing.assert_allclose(shares[2], 0.5, atol=1e-6)


def test_learning_twice_gives_one_identity() -> None:
    one, other = (REGISTRY.build("lda", {"topics": 4}).fit(corpus(20)).identity() for _ in range(2))
    assert one == other
