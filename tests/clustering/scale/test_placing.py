"""Refinement in tasks against refinement in one place; components that are too large; run without Spark."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmer_spark.clustering import REGISTRY
from xmer_spark.clustering.base import Clusterer
from xmer_spark.clustering.links import Nodes, Solved, solve
from xmer_spark.clustering.scale.placing import (
    CLUSTER,
    LINK,
    NODE,
    PLACED_LINK,
    PLACED_NODE,
    Tally,
    Tasks,
    balanced,
    refine,
)
from xmer_spark.clustering.splitting import BARS, split
from xmer_spark.errors import XmerError

METHODS = st.sampled_from(["one_per_source", "average_linkage", "correlation"]).map(REGISTRY.build)


class World:
    """Records of random sources, with random links between different ones."""

    def __init__(self, seed: int, n: int, m: int, levels: int) -> None:
        generator = np.random.default_rng(seed)
        key = np.sort(generator.choice(np.arange(-4 * n, 4 * n), n, replace=False)) * 1_000_003
        self.nodes = Nodes(key, generator.integers(-1, 3, n))
        edges = generator.integers(0, n, (m, 2))
        self.edges = edges[edges[:, 0] != edges[:, 1]]
        self.probability = 0.5 + generator.integers(0, levels, len(self.edges)) / (2 * levels)

    def here(self, clusterer: Clusterer, most: int) -> Solved:
        return solve(self.nodes, self.edges, self.probability, clusterer, most)

    def in_tasks(self, exchange: Any, clusterer: Clusterer, most: int, size: int) -> tuple[np.ndarray, Tally]:
        key, source = self.nodes
        left, right = self.edges.T
        bits = self.probability.view(np.int64)
        links = np.stack([key[left], key[right], bits])
        parts = np.array_split(np.arange(links.shape[1]), 3)
        tasks = Tasks(exchange, clusterer, most, size)
        found, tally = tasks.cluster(
            [{NODE: np.stack([key, source])}], [{LINK: links[:, part]} for part in parts], len(left)
        )
        record, cluster = exchange.collect(found, CLUSTER, 2)
        assert len(np.unique(record)) == len(record)
        whole = key.copy()
        whole[np.searchsorted(key, record)] = cluster
        return whole, tally


worlds = st.builds(
    World,
    st.integers(0, 10_000),
    st.integers(1, 30),
    st.integers(0, 60),
    st.sampled_from([1, 2, 50]),
)


@given(worlds, METHODS, st.integers(1, 20))
@settings(max_examples=120, deadline=None)
def test_clusters_made_in_tasks_are_those_made_in_one_place(
    simulated: Any, world: World, clusterer: Clusterer, size: int
) -> None:
    found, tally = world.in_tasks(simulated, clusterer, 1000, size)
    assert np.array_equal(found, world.here(clusterer, 1000).cluster)
    assert tally == Tally(0, 0)


@given(worlds, METHODS, st.integers(1, 20), st.integers(3, 12))
@settings(max_examples=120, deadline=None)
def test_components_that_are_too_large_are_split_alike_everywhere(
    simulated: Any, world: World, clusterer: Clusterer, size: int, most: int
) -> None:
    try:
        here = world.here(clusterer, most)
    except XmerError as error:
        message = re.escape(str(error))
    else:
        found, tally = world.in_tasks(simulated, clusterer, most, size)
        assert np.array_equal(found, here.cluster)
        assert tally == Tally(here.split, here.removed)
        return
    with pytest.raises(XmerError, match=message):
        world.in_tasks(simulated, clusterer, most, size)


def test_a_large_component_loses_its_weakest_links_first_and_others_lose_none() -> None:
    # a chain of eight with a weak link in its middle, and a pair that is weaker still
    edges = np.array([[k, k + 1] for k in range(7)] + [[8, 9]])
    probability = np.array([0.99, 0.99, 0.99, 0.6, 0.99, 0.99, 0.99, 0.51])
    kept, count = split(10, edges, probability, 3)
    assert kept.tolist() == [True] * 3 + [False] + [True] * 4
    assert count == 1
    assert BARS[0] == pytest.approx(1 / (1 + np.exp(-1)))


def test_a_large_component_of_certain_links_is_refused_by_the_name_of_the_limit() -> None:
    edges = np.array([[k, k + 1] for k in range(7)])
    with pytest.raises(XmerError, match=r"7 links .*clustering\.max_component_links = 3"):
        split(8, edges, np.ones(7), 3)


def test_links_that_lead_out_of_their_component_are_found() -> None:
    nodes = np.array([[1, 2], [-1, -1], [1, 2]])
    links = np.array([[1], [2], [0], [1]])
    parcels = list(refine({PLACED_NODE: nodes, PLACED_LINK: links}, REGISTRY.build("correlation"), 9))
    assert [(parcel.kind, parcel.entries.tolist()) for parcel in parcels] == [("fault", [[1], [2]])]


def test_large_components_go_to_the_tasks_that_have_least_to_do() -> None:
    assert balanced(np.array([5, 9, 4]), 18, 2).tolist() == [1, 0, 1]
    assert balanced(np.array([], np.int64), 18, 2).tolist() == []
