"""The steps of the distributed components, run without Spark, against SciPy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmer_spark.clustering.scale.contraction import EDGE, LABEL, connect, named, numbered, spread, stars
from xmer_spark.errors import AuditError
from xmer_spark.numerics.components import check_components, components


def connected(
    exchange: Any, edges: np.ndarray, task_edges: int, parts: int = 3
) -> tuple[dict[int, int], int]:
    """The component of every node of ``edges`` (m, 2), and the rounds that it took."""
    edges = edges[edges[:, 0] != edges[:, 1]]
    data = [{EDGE: part.T} for part in np.array_split(edges, parts)]
    labels, rounds = connect(exchange, data, len(edges), task_edges)
    found = exchange.collect(labels, LABEL, 2)
    assert len(np.unique(found[0])) == found.shape[1]
    return dict(found.T.tolist()), rounds


def expected(edges: np.ndarray) -> dict[int, int]:
    """The same by SciPy."""
    edges = edges[edges[:, 0] != edges[:, 1]]
    nodes, ends = np.unique(edges, return_inverse=True)
    return dict(zip(nodes.tolist(), nodes[components(len(nodes), ends.reshape(-1, 2))].tolist(), strict=True))


nodes = st.integers(-6, 18) | st.integers(-(2**63), 2**63 - 1)
graphs = st.lists(st.tuples(nodes, nodes), max_size=60).map(lambda e: np.array(e, np.int64).reshape(-1, 2))


@given(graphs, st.integers(1, 30), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_any_graph_has_the_components_that_scipy_finds(
    simulated: Any, edges: np.ndarray, task: int, parts: int
) -> None:
    assert connected(simulated, edges, task, parts)[0] == expected(edges)


@given(graphs, st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_order_of_edges_and_of_their_ends_does_not_matter(
    simulated: Any, edges: np.ndarray, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(edges)
    turned = np.where(generator.random((len(edges), 1)) < 0.5, shuffled[:, ::-1], shuffled)
    assert connected(simulated, turned, 5)[0] == connected(simulated, edges, 5)[0]


def chain(n: int) -> np.ndarray:
    return np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_chain_of_a_hundred_thousand_nodes_takes_few_rounds(simulated: Any, shuffled: bool) -> None:
    edges = chain(100_000)
    if shuffled:
        generator = np.random.default_rng(0)
        edges = generator.permutation(generator.permutation(100_000)[edges])
    found, rounds = connected(simulated, edges, 2000, 50)
    assert found == expected(edges)
    assert rounds <= 7


def test_the_edges_of_a_star_are_spread_over_tasks_and_it_takes_one_round(simulated: Any) -> None:
    edges = np.stack([np.full(20_000, 10_000), np.arange(20_000)], axis=1)
    part = {EDGE: edges[edges[:, 0] != edges[:, 1]].T}
    sent = simulated.step([part], partial(spread, seed=0), tasks=20)
    assert max(task[EDGE].shape[1] for task in sent) < 1200
    found, rounds = connected(simulated, edges, 1000, 1)
    assert (found, rounds) == (expected(edges), 1)


def test_a_wrong_component_is_an_audit_error(simulated: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from xmer_spark.clustering.scale import contraction

    def wrong(tables: contraction.Tables) -> Any:
        for parcel in named(tables):
            entries = parcel.entries.copy()
            entries[1, entries[0] == 3] = 3
            yield contraction.Parcel(parcel.kind, entries)

    monkeypatch.setattr(contraction, "named", wrong)
    with pytest.raises(AuditError, match="contradictions"):
        connected(simulated, chain(5), 2)
    monkeypatch.setattr(contraction, "named", lambda tables: [])
    with pytest.raises(AuditError, match="contradictions"):
        connected(simulated, chain(5), 2)


def test_the_drivers_components_are_checked_too() -> None:
    edges = np.array([[0, 1], [1, 2]])
    check_components(np.zeros(3, np.int64), edges)
    with pytest.raises(AuditError, match="1 links lead out"):
        check_components(np.array([0, 0, 2]), edges)
    with pytest.raises(AuditError, match="least member"):
        check_components(np.ones(3, np.int64), edges)


def test_stars_connect_what_the_edges_connect_and_numbers_are_those_of_unique() -> None:
    edges = np.random.default_rng(1).integers(0, 500, (2, 400))
    assert np.array_equal(components(500, stars(edges, 3).T), components(500, edges.T))
    for mine, numpys in zip(numbered(edges[0]), np.unique(edges[0], return_inverse=True), strict=True):
        assert np.array_equal(mine, numpys)
