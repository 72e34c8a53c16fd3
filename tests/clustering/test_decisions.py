"""What people have decided of two records outweighs every match."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from xmer_spark.clustering import REGISTRY
from xmer_spark.clustering.base import Clusterer
from xmer_spark.clustering.decisions import DIFFERENT, SAME
from xmer_spark.clustering.splitting import split

REFINING = st.sampled_from(
    [
        REGISTRY.build("one_per_source"),
        REGISTRY.build("one_per_source", {"missing": 0.0, "exact": 2}),
        REGISTRY.build("average_linkage"),
        REGISTRY.build("average_linkage", {"cut": 0.4, "missing": 0.2}),
        REGISTRY.build("correlation"),
    ]
)


@given(st.integers(0, 10_000), st.integers(2, 20), st.integers(0, 60), st.integers(1, 12), REFINING)
@settings(max_examples=150, deadline=None)
def test_clusters_heed_all_decisions_that_do_not_contradict_each_other(
    seed: int, n: int, matches: int, decisions: int, clusterer: Clusterer
) -> None:
    random = np.random.default_rng(seed)
    thing = random.integers(0, 4, n)
    pairs = np.sort(random.integers(0, n, (decisions, 2)), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    same = thing[pairs[:, 0]] == thing[pairs[:, 1]]
    found = np.sort(random.integers(0, n, (matches, 2)), axis=1)
    found = np.array([pair for pair in found.tolist() if pair not in pairs.tolist()], np.int64).reshape(-1, 2)
    source = random.integers(-1, 3, n)
    source[pairs[same].ravel()] = -1

    edges = np.concatenate([found, pairs])
    told = np.concatenate([random.random(len(found)), np.where(same, SAME, DIFFERENT)])
    cluster = clusterer.cluster(n, edges, told, source, random.permutation(n))
    assert ((cluster[pairs[:, 0]] == cluster[pairs[:, 1]]) == same).all()


def test_a_decision_keeps_apart_what_others_would_bring_together() -> None:
    edges = np.array([[0, 1], [1, 2], [0, 2]])
    likely = np.array([0.99, 0.99, 0.6])
    clusterer = REGISTRY.build("average_linkage")
    assert clusterer.cluster(3, edges, likely).tolist() == [0, 0, 0]
    cluster = clusterer.cluster(3, edges, np.array([0.99, 0.98, DIFFERENT]))
    assert cluster.tolist() == [0, 0, 2]


def test_components_are_not_linked_by_what_is_different() -> None:
    clusterer = REGISTRY.build("components")
    assert clusterer.cluster(3, np.array([[0, 1], [1, 2]]), np.array([DIFFERENT, SAME])).tolist() == [0, 1, 1]


def test_a_component_that_is_too_large_loses_no_decision() -> None:
    edges = np.array([[0, 1], [1, 2], [2, 3], [0, 3]])
    kept = split(4, edges, np.array([0.6, 0.7, 0.8, DIFFERENT]), most=3).kept
    assert kept.tolist() == [False, False, True, True]
