"""Average linkage and correlation clustering against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from xmer_spark.clustering import REGISTRY
from xmer_spark.clustering.base import Problem
from xmer_spark.clustering.correlation import improved, inside, pivots
from xmer_spark.clustering.graph import Graph
from xmer_spark.clustering.odds import log_odds
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.components import least_members

RECORDS = 9


def random_pairs(seed: int, share: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    pairs = np.stack(np.triu_indices(RECORDS, 1), axis=1)
    pairs = pairs[generator.random(len(pairs)) < share]
    return pairs, generator.random(len(pairs))


@given(st.integers(0, 10_000), st.sampled_from([0.3, 0.5, 0.7]), st.sampled_from([0.4, 1.0]))
@settings(max_examples=40, deadline=None)
def test_average_linkage_is_that_of_scipy_cut_at_the_mean(seed: int, cut: float, share: float) -> None:
    pairs, probability = random_pairs(seed, share)
    distance = np.ones((RECORDS, RECORDS))
    distance[pairs[:, 0], pairs[:, 1]] = 1 - probability
    tree = linkage(distance[np.triu_indices(RECORDS, 1)], "average")
    expected = least_members(fcluster(tree, 1 - cut - 1e-9, "distance"))
    method = REGISTRY.build("average_linkage", {"cut": cut})
    assert np.array_equal(method.cluster(RECORDS, pairs, probability), expected)


def test_a_chain_of_equal_links_is_no_cluster_by_average_linkage() -> None:
    edges = np.array([[k, k + 1] for k in range(63)])
    labels = REGISTRY.build("average_linkage").cluster(64, edges, np.full(63, 0.9))
    assert np.bincount(labels).max() <= 3


def graph_of(seed: int, sources: int = 0) -> Graph:
    pairs, probability = random_pairs(seed, 0.6)
    source = np.random.default_rng(seed).integers(-1, sources, RECORDS) if sources else np.full(RECORDS, -1)
    problem = Problem(pairs, probability, source, np.arange(RECORDS))
    return Graph.of(problem, log_odds(probability), -0.25)


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_pivots_are_those_of_one_record_after_the_other(seed: int) -> None:
    graph = graph_of(seed)
    order = np.random.default_rng(seed).permutation(RECORDS)
    linked = {(a, b) for a, b, w in zip(graph.a, graph.b, graph.weight, strict=True) if w > 0}
    labels = np.full(RECORDS, -1)
    for pivot in np.argsort(order).tolist():
        if labels[pivot] < 0:
            labels[pivot] = pivot
            for record in np.flatnonzero(labels < 0):
                if (min(record, pivot), max(record, pivot)) in linked:
                    labels[record] = pivot
    assert np.array_equal(pivots(graph, order), least_members(labels))


@given(st.integers(0, 10_000), st.sampled_from([0, 3]))
@settings(max_examples=40, deadline=None)
def test_local_search_never_loses_and_leaves_no_single_move_that_gains(seed: int, sources: int) -> None:
    graph = graph_of(seed, sources)
    whole = np.zeros(RECORDS, np.int64)
    start = pivots(graph, np.random.default_rng(seed).permutation(RECORDS))
    found = improved(graph, start)

    def total(labels: np.ndarray) -> float:
        return float(inside(graph, labels, whole)[0])

    assert total(found) >= total(start)
    for record in range(RECORDS):
        for target in [*np.unique(found).tolist(), RECORDS]:
            moved = found.copy()
            moved[record] = target
            others = (moved == target) & (np.arange(RECORDS) != record)
            if not (graph.presence[others] & graph.presence[record]).any():
                assert total(least_members(moved)) <= total(found) + 1e-6


def test_parameters_that_make_no_sense_are_refused() -> None:
    one = np.array([[0, 1]]), np.array([0.9])
    for name, parameters in (
        ("average_linkage", {"missing": 0.6}),
        ("correlation", {"missing": 0.1}),
        ("correlation", {"trials": 0}),
    ):
        with pytest.raises(ConfigError, match=f"clustering.{name}"):
            REGISTRY.build(name, parameters).cluster(2, *one)
