"""The clusterers: what may be together, what is best, and what must not matter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmer_spark.clustering import REGISTRY, one_per_source
from xmer_spark.clustering.base import Clusterer
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.components import components, strongest_tree

MISSING = -0.25


class Graph(NamedTuple):
    n: int
    edges: np.ndarray
    probability: np.ndarray
    source: np.ndarray
    keys: np.ndarray

    def permuted(self, order: np.ndarray, shuffle: np.ndarray) -> Graph:
        """The same graph with record ``order[k]`` at position k, and its edges shuffled and turned round."""
        rank = np.argsort(order)
        return Graph(
            self.n,
            rank[self.edges[shuffle]][:, ::-1],
            self.probability[shuffle],
            self.source[order],
            self.keys[order],
        )

    def clustered(self, clusterer: Clusterer) -> np.ndarray:
        return clusterer.cluster(self.n, self.edges, self.probability, self.source, self.keys)


def a_graph(seed: int, n: int, m: int, sources: int, levels: int) -> Graph:
    generator = np.random.default_rng(seed)
    probability = generator.integers(1, levels + 1, m) / (levels + 1)  # few levels: many ties
    return Graph(
        n,
        generator.integers(0, n, (m, 2)),
        probability,
        generator.integers(-1, sources, n),
        generator.permutation(n) * 7919 - 5000,
    )


graphs = st.builds(
    a_graph,
    st.integers(0, 10_000),
    st.integers(1, 25),
    st.integers(0, 60),
    st.integers(1, 4),
    st.sampled_from([1, 3, 50]),
)
methods = st.sampled_from(
    [
        REGISTRY.build("one_per_source", {"missing": MISSING}),
        REGISTRY.build("one_per_source", {"missing": 0.0, "exact": 2}),
        REGISTRY.build("components"),
        REGISTRY.build("average_linkage"),
        REGISTRY.build("average_linkage", {"cut": 0.4, "missing": 0.2}),
        REGISTRY.build("correlation"),
        REGISTRY.build("correlation", {"missing": 0.0, "trials": 1}),
    ]
)


@given(graphs, methods, st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_the_order_of_records_and_edges_does_not_matter(graph: Graph, method: Clusterer, seed: int) -> None:
    generator = np.random.default_rng(seed)
    order = generator.permutation(graph.n)
    other = graph.permuted(order, generator.permutation(len(graph.edges)))
    labels = graph.clustered(method)[order]
    other_labels = other.clustered(method)
    assert ((labels[:, None] == labels) == (other_labels[:, None] == other_labels)).all()


@given(graphs, graphs, methods)
@settings(max_examples=50, deadline=None)
def test_a_cluster_depends_on_its_component_alone(one: Graph, two: Graph, method: Clusterer) -> None:
    both = Graph(
        one.n + two.n,
        np.concatenate([one.edges, two.edges + one.n]),
        np.concatenate([one.probability, two.probability]),
        np.concatenate([one.source, two.source]),
        np.concatenate([one.keys, two.keys + 1_000_003]),
    )
    apart = np.concatenate(
        [one.clustered(method), two._replace(keys=two.keys + 1_000_003).clustered(method) + one.n]
    )
    assert np.array_equal(both.clustered(method), apart)


@given(graphs, methods)
@settings(max_examples=60, deadline=None)
def test_labels_name_the_least_record_and_clusters_lie_within_components(
    graph: Graph, method: Clusterer
) -> None:
    labels = graph.clustered(method)
    assert labels.dtype == np.int64
    assert all(labels[i] == np.flatnonzero(labels == labels[i])[0] for i in range(graph.n))
    whole = REGISTRY.build("components")
    reachable = graph.clustered(whole)
    assert (reachable[labels] == reachable).all()


@given(graphs, st.sampled_from(["one_per_source", "average_linkage", "correlation"]))
@settings(max_examples=60, deadline=None)
def test_no_cluster_holds_two_records_of_one_source(graph: Graph, method: str) -> None:
    labels = graph.clustered(REGISTRY.build(method))
    once = graph.source >= 0
    seen = set(zip(labels[once].tolist(), graph.source[once].tolist(), strict=True))
    assert len(seen) == np.count_nonzero(once)


def partitions(n: int) -> Iterator[list[int]]:
    def extend(labels: list[int]) -> Iterator[list[int]]:
        if len(labels) == n:
            yield labels
            return
        for label in range(max(labels, default=-1) + 2):
            yield from extend([*labels, label])

    return extend([])


def inside(labels: np.ndarray | list[int], graph: Graph) -> float:
    """The sum of log-odds inside the clusters."""
    weight = {}
    for (a, b), p in zip(graph.edges.tolist(), graph.probability.tolist(), strict=True):
        pair = (min(a, b), max(a, b))
        weight[pair] = max(weight.get(pair, -np.inf), np.log(p / (1 - p)))
    pairs = ((a, b) for b in range(graph.n) for a in range(b) if labels[a] == labels[b])
    return float(sum(weight.get(pair, MISSING) for pair in pairs))


@pytest.mark.parametrize("seed", range(12))
def test_between_two_sources_the_assignment_is_the_best_there_is(seed: int) -> None:
    graph = a_graph(seed, 7, 14, 2, 50)
    graph = graph._replace(source=np.arange(7) % 2)
    found = inside(graph.clustered(REGISTRY.build("one_per_source", {"missing": MISSING})), graph)
    best = max(
        inside(labels, graph)
        for labels in partitions(7)
        if len(set(zip(labels, graph.source.tolist(), strict=True))) == 7
    )
    assert found == pytest.approx(best)


def test_the_best_assignment_is_preferred_to_the_strongest_link() -> None:
    # a0 - b0 is the strongest, but a0 - b1 and a1 - b0 together are worth more
    edges = np.array([[0, 2], [0, 3], [1, 2]])
    method = REGISTRY.build("one_per_source")
    labels = method.cluster(4, edges, np.array([0.95, 0.9, 0.9]), source=np.array([0, 0, 1, 1]))
    assert labels.tolist() == [0, 1, 1, 0]


def test_how_many_components_are_assigned_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    component = 4 * np.repeat(np.arange(100), 3)  # of four records, two of either source
    edges = component[:, None] + random.permuted(np.tile(np.arange(4), (300, 1)), axis=1)[:, :2]
    probability = random.uniform(0.3, 0.99, 300)
    found = []
    for size in (1, 10, 10**9):
        monkeypatch.setattr(one_per_source, "PART", size)
        method = REGISTRY.build("one_per_source")
        found.append(method.cluster(400, edges, probability, source=np.arange(400) % 2).tolist())
    assert found[0] == found[1] == found[2]


def test_weak_links_do_not_chain_what_is_not_linked() -> None:
    edges = np.array([[k, k + 1] for k in range(9)])
    probability = np.where(np.arange(9) % 3 == 2, 0.55, 0.95)
    labels = REGISTRY.build("one_per_source").cluster(10, edges, probability)
    assert labels.tolist() == [0, 0, 0, 3, 3, 3, 6, 6, 6, 9]


def test_positive_log_odds_of_missing_links_are_refused() -> None:
    with pytest.raises(ConfigError, match="missing"):
        REGISTRY.build("one_per_source", {"missing": 0.5}).cluster(2, np.array([[0, 1]]), np.array([0.9]))


@given(graphs)
@settings(max_examples=50, deadline=None)
def test_the_strongest_tree_holds_together_what_all_links_hold_together(graph: Graph) -> None:
    tree = strongest_tree(graph.n, graph.edges, graph.probability)
    whole = components(graph.n, graph.edges)
    assert np.array_equal(components(graph.n, graph.edges[tree]), whole)
    assert len(tree) == graph.n - len(np.unique(whole))
    for level in np.unique(graph.probability):  # at every threshold the tree connects what all links do
        strong = graph.probability >= level
        in_tree = tree[graph.probability[tree] >= level]
        assert np.array_equal(
            components(graph.n, graph.edges[strong]), components(graph.n, graph.edges[in_tree])
        )


@pytest.mark.parametrize("method", ["one_per_source", "average_linkage", "correlation"])
def test_twenty_thousand_records_take_seconds(method: str) -> None:
    graph = a_graph(0, 20_000, 100_000, 4, 1000)
    labels = graph.clustered(REGISTRY.build(method))
    assert len(np.unique(labels)) < 12_000
