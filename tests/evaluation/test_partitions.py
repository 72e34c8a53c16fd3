"""Pair and B-cubed measures of a clustering."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.cluster import pair_confusion_matrix

from xmer_spark.evaluation.bcubed import bcubed_measures, bcubed_statistics
from xmer_spark.evaluation.groups import codes
from xmer_spark.evaluation.pairs import (
    cross_pair_statistics,
    pair_measures,
    pair_statistics,
)

#: Cluster, entity and side of records.
Labels = list[tuple[int, int, bool]]
labelled = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=25)


def columns(records: Labels) -> tuple[np.ndarray, ...]:
    table = np.array(records, dtype=np.int64).reshape(len(records), 3)
    return table[:, 0], table[:, 1], table[:, 2].astype(bool)


def pair_scores(clusters: np.ndarray, entities: np.ndarray) -> list[float]:
    """Precision, recall and F1 over all pairs."""
    return pair_measures(pair_statistics(clusters, entities).sum(axis=0)).tolist()


def bcubed_scores(clusters: np.ndarray, entities: np.ndarray) -> list[float]:
    """Precision, recall and F1 of the records."""
    return bcubed_measures(bcubed_statistics(clusters, entities).sum(axis=0)).tolist()


def counted_by_hand(records: Labels, *, across: bool = False) -> list[int]:
    pairs = [(a, b) for a, b in combinations(records, 2) if not (across and a[2] == b[2])]
    predicted = [a[0] == b[0] for a, b in pairs]
    true = [a[1] == b[1] for a, b in pairs]
    return [sum(p and t for p, t in zip(predicted, true, strict=True)), sum(predicted), sum(true)]


@settings(max_examples=60, deadline=None)
@given(labelled)
def test_pair_counts_equal_those_of_listing_every_pair(records: Labels) -> None:
    clusters, entities, left = columns(records)
    assert pair_statistics(clusters, entities).sum(axis=0).tolist() == counted_by_hand(records)
    across = cross_pair_statistics(clusters, entities, left).sum(axis=0)
    assert across.tolist() == counted_by_hand(records, across=True)


@settings(max_examples=60, deadline=None)
@given(labelled)
def test_statistics_come_one_row_per_entity_and_are_never_negative(records: Labels) -> None:
    clusters, entities, left = columns(records)
    for statistics in (
        pair_statistics(clusters, entities),
        cross_pair_statistics(clusters, entities, left),
        bcubed_statistics(clusters, entities),
    ):
        assert statistics.shape == (len(set(entities.tolist())), 3)
        assert (statistics >= 0).all()


def test_pair_counts_agree_with_scikit_learn_on_ten_thousand_records() -> None:
    random = np.random.default_rng(0)
    clusters, entities = random.integers(3000, size=(2, 10_000))
    right, predicted, true = pair_statistics(clusters, entities).sum(axis=0)
    confusion = pair_confusion_matrix(entities, clusters) / 2
    assert right == confusion[1, 1]
    assert predicted == confusion[:, 1].sum()
    assert true == confusion[1].sum()


def test_pair_scores_of_a_case_worked_by_hand() -> None:
    scores = pair_scores(np.array(["p", "p", "p", "q"]), np.array(["a", "a", "b", "b"]))
    assert scores == pytest.approx((1 / 3, 1 / 2, 2 / 5))


def test_a_clustering_that_claims_nothing_has_full_precision_and_no_recall() -> None:
    assert pair_scores(np.arange(4), np.array([0, 0, 1, 1])) == [1.0, 0.0, 0.0]
    assert pair_measures(np.zeros(3)).tolist() == [1.0, 1.0, 1.0]


def test_labels_of_different_length_are_an_error() -> None:
    with pytest.raises(ValueError, match="one cluster and one entity per record"):
        pair_scores(np.arange(3), np.arange(4))


@settings(max_examples=60, deadline=None)
@given(labelled.filter(len))
def test_bcubed_equals_its_definition_record_by_record(records: Labels) -> None:
    precision, recall = [], []
    for cluster, entity, _ in records:
        same_cluster = {i for i, other in enumerate(records) if other[0] == cluster}
        same_entity = {i for i, other in enumerate(records) if other[1] == entity}
        both = len(same_cluster & same_entity)
        precision.append(both / len(same_cluster))
        recall.append(both / len(same_entity))
    p, r = np.mean(precision), np.mean(recall)
    clusters, entities, _ = columns(records)
    assert bcubed_scores(clusters, entities) == pytest.approx((p, r, 2 * p * r / (p + r)))


def test_bcubed_of_the_example_in_the_literature() -> None:
    # Amigo et al. 2009: a cluster of five a's, one of two b's and five c's, merged or kept apart.
    entities = np.repeat(["a", "b", "c"], [5, 2, 5])
    apart, merged = np.repeat([0, 1, 2], [5, 2, 5]), np.repeat([0, 1, 1], [5, 2, 5])
    assert bcubed_scores(apart, entities) == [1.0, 1.0, 1.0]
    assert bcubed_scores(merged, entities)[0] == pytest.approx((5 + 2 * 2 / 7 + 5 * 5 / 7) / 12)


def test_a_perfect_result_scores_one_whatever_the_labels_are_called() -> None:
    entities = np.array(["x", "y", "x", "z"])
    renamed = codes(entities) + 7
    assert pair_scores(renamed, entities) == bcubed_scores(renamed, entities) == [1.0, 1.0, 1.0]
