"""Recall@K, MAP and the first result."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import average_precision_score
from sklearn.metrics import confusion_matrix as sklearn_confusion

from xmer_spark.evaluation.ranking import Ranking, confusion_matrix, inner_product, rank

scored = st.integers(1, 6).flatmap(
    lambda m: st.tuples(
        arrays.arrays(np.float32, (5, m), elements=st.sampled_from([-2.0, -0.5, -0.0, 0.0, 0.25, 3.0])),
        arrays.arrays(np.int64, 5, elements=st.integers(0, 3)),
        arrays.arrays(np.int64, m, elements=st.integers(0, 3)),
    )
)


def rank_scores(scores: np.ndarray, queries: np.ndarray, gallery: np.ndarray, **options: object) -> Ranking:
    return rank(lambda numbers: scores[numbers], queries, gallery, **options)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(scored)
def test_every_measure_equals_that_of_the_list_sorted_by_hand(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scores, queries, gallery = case
    ranking = rank_scores(scores, queries, gallery, recall_at=(1, 3, 10), block=2)
    answered = []
    for number, label in enumerate(queries):
        order = sorted(range(len(gallery)), key=lambda j: (-scores[number, j], gallery[j] == label, j))
        hits = [bool(gallery[j] == label) for j in order]
        if not any(hits):
            continue
        at = len(answered)
        answered.append(number)
        precision = sum(sum(hits[: k + 1]) / (k + 1) for k in range(len(hits)) if hits[k])
        assert ranking.average_precision[at] == pytest.approx(precision / sum(hits))
        assert ranking.first[at] == order[0]
        for k in (1, 3, 10):
            assert ranking.recall[k][at] == pytest.approx(sum(hits[:k]) / sum(hits))
    assert ranking.query.tolist() == answered


@settings(max_examples=60, deadline=None)
@given(scored)
def test_the_block_size_changes_nothing(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    small, large = (rank_scores(*case, block=block) for block in (1, 100))
    assert np.array_equal(small.average_precision, large.average_precision)
    assert np.array_equal(small.first, large.first)


def test_average_precision_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(1)
    queries, gallery = random.integers(5, size=40), random.integers(5, size=300)
    embeddings = random.standard_normal((40, 8)), random.standard_normal((300, 8))
    ranking = rank(inner_product(*embeddings), queries, gallery, block=7)
    scores = embeddings[0] @ embeddings[1].T
    expected = [average_precision_score(gallery == q, s) for q, s in zip(queries, scores, strict=True)]
    assert ranking.average_precision == pytest.approx(expected)


def test_a_constant_score_earns_nothing_at_the_top() -> None:
    ranking = rank_scores(np.zeros((1, 4)), np.array([1]), np.array([1, 0, 0, 0]), recall_at=(1, 3, 4))
    assert [float(ranking.recall[k][0]) for k in (1, 3, 4)] == [0.0, 0.0, 1.0]
    assert ranking.first.tolist() == [1]


def test_what_is_at_minus_infinity_is_not_in_the_querys_gallery() -> None:
    scores = np.array([[-np.inf, 0.5, 0.9], [0.1, -np.inf, -np.inf]])
    ranking = rank_scores(scores, np.array([7, 7]), np.array([7, 7, 0]), recall_at=(1, 2))
    assert ranking.recall[1].tolist() == [0.0, 1.0]
    assert ranking.recall[2].tolist() == [1.0, 1.0]


def test_scores_that_are_not_numbers_or_of_the_wrong_shape_are_an_error() -> None:
    with pytest.raises(ValueError, match="NaN"):
        rank_scores(np.array([[np.nan, 1.0]]), np.array([0]), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"gave \(1, 3\) scores; expected \(1, 2\)"):
        rank_scores(np.zeros((1, 3)), np.array([0]), np.array([0, 1]))


def test_no_query_is_a_ranking_without_terms() -> None:
    ranking = rank_scores(np.zeros((0, 2)), np.array([], dtype=np.int64), np.array([0, 1]))
    assert ranking.query.size == ranking.first.size == ranking.recall[10].size == 0


def test_the_confusion_matrix_agrees_with_scikit_learn_in_the_order_asked_for() -> None:
    random = np.random.default_rng(2)
    classes = ["sport", "art", "war", "unused"]
    true, found = random.choice(classes[:3], size=(2, 200))
    expected = sklearn_confusion(true, found, labels=classes)
    assert np.array_equal(confusion_matrix(true, found, classes), expected)
    with pytest.raises(ValueError, match="not listed: art"):
        confusion_matrix(np.array(["art"]), np.array(["war"]), ["war"])
