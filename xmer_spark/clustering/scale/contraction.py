"""Connected components of a graph that no machine holds: the steps between which edges travel.

A round draws an order of the nodes, and each node goes to the least of those that it can see from where it
is; the nodes that went to one place become one node of the next round's graph. Each round leaves about half
of the nodes or fewer, and a component of one node leaves the graph. So the rounds together move little more
than the first, and once the rest fits one task, the next round is the last. Going back from there, the nodes
of each round learn what became of the place that they went to.

Local contraction: Łącki, Mirrokni and Włodarczyk 2018, "Connected Components at Scale via Local
Contractions". Two deviations: where many edges lie together, they are replaced by stars around their least
node, and an edge travels to its larger end only. Both keep what a node of many neighbours receives small.

A step takes matrices of int64, one column an entry, by their kind, and yields parcels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from xmer_spark.errors import AuditError
from xmer_spark.numerics.components import component_numbers
from xmer_spark.numerics.mixing import mix

#: Edges (2, m); where nodes went (2, m): node, place; and what asks for a node (2, m): who asks, node.
EDGE, WENT, ASKED = "edge", "went", "asked"
#: What is known of nodes (2, m): node, component.
LABEL = "label"
#: Contradictions that were found (2, m).
FAULT = "fault"

#: Where edges have more distinct ends than this, for each, hardly two of them touch.
_SPARSE = 1.5

Tables = Mapping[str, np.ndarray]


class Parcel(NamedTuple):
    """Entries (columns, m), and the nodes (m) to whose tasks they go, or the tasks; neither: they stay."""

    kind: str
    entries: np.ndarray
    to: np.ndarray | None = None
    task: np.ndarray | None = None

    def destination(self, tasks: int) -> np.ndarray | None:
        """The task of each entry, one of ``tasks``."""
        return self.task if self.to is None else (mix(self.to) % np.uint64(tasks)).astype(np.int64)


Step = Callable[[Tables], Iterable[Parcel]]


class Exchange(Protocol):
    """Where steps run: parcels of the same node's go to the same one of ``tasks`` tasks.

    Data is whatever the exchange makes of it: parts that lie in tasks, each with entries of several kinds.
    """

    def step(self, data: Any, *steps: Step, tasks: int | None = None) -> Any:
        """Run ``steps`` one after the other over each part; then send the parcels to ``tasks``, if given."""

    def only(self, data: Any, kind: str) -> Any:
        """The entries of one kind."""

    def union(self, one: Any, two: Any) -> Any:
        """Both together; their parts stay apart."""

    def collect(self, data: Any, kind: str, columns: int) -> np.ndarray:
        """The entries of one kind, brought to one place: (columns, m)."""

    def keep(self, data: Any) -> tuple[Any, dict[str, int]]:
        """The data computed, so that it is not computed again; and how many entries of each kind it has."""


def connect(exchange: Exchange, edges: Any, count: int, task_edges: int) -> tuple[Any, int]:
    """Node and component, as its least node, for every node of ``count`` edges; and the number of rounds.

    Edges must not be loops. A task receives about ``task_edges`` edges; the nodes of one component, of 16
    bytes each, meet in one task. An AuditError is raised unless every edge lies inside one component and
    every component is named by its least node.
    """
    whole, left = edges, count
    rounds: list[tuple[Any, int]] = []
    while left:
        tasks = tasks_for(left, task_edges)
        sent = exchange.step(edges, partial(spread, seed=len(rounds)), tasks=tasks)
        sent = exchange.step(sent, partial(contract, seed=len(rounds)), tasks=tasks)
        done, counts = exchange.keep(exchange.step(sent, partial(relabel, seed=len(rounds))))
        rounds.append((exchange.only(done, WENT), tasks))
        edges, left = exchange.only(done, EDGE), counts.get(EDGE, 0)
    tasks = tasks_for(count, task_edges)
    labels, steps = (rounds[-1][0], [arrived]) if rounds else (edges, [])
    for went, at in reversed(rounds[:-1]):
        both = exchange.union(went, exchange.step(labels, *steps))
        labels, steps = exchange.step(both, asking, tasks=at), [answered]
    labels = exchange.step(exchange.step(labels, *steps, grouped, tasks=tasks), named)
    sent = exchange.step(exchange.union(labels, whole), checking, tasks=tasks)
    sent = exchange.step(sent, half_checked, tasks=tasks)
    labels, counts = exchange.keep(exchange.step(sent, checked))
    if counts.get(FAULT):
        raise AuditError(f"clustering: {counts[FAULT]:,} contradictions between links and their components")
    return exchange.only(labels, LABEL), len(rounds)


def tasks_for(entries: int, a_task: int) -> int:
    return max(1, -(-entries // a_task))


def of_kind(tables: Tables, kind: str, columns: int = 2) -> np.ndarray:
    """The entries of one kind, none where there are none."""
    return tables[kind] if kind in tables else np.empty((columns, 0), np.int64)


def no_loops(tables: Tables) -> Iterator[Parcel]:
    """Edges between different nodes."""
    edges = of_kind(tables, EDGE)
    yield Parcel(EDGE, edges[:, edges[0] != edges[1]])


def spread(tables: Tables, seed: int) -> Iterator[Parcel]:
    """Edges to the task of the end that comes later in the round's order."""
    edges = of_kind(tables, EDGE)
    if _distinct(edges.reshape(-1)) < _SPARSE * edges.shape[1]:
        edges = stars(edges, seed)
    else:
        swap = _order(edges[0], seed) < _order(edges[1], seed)
        edges = np.where(swap, edges[::-1], edges)
    yield Parcel(EDGE, edges, edges[0])


def contract(tables: Tables, seed: int) -> Iterator[Parcel]:
    """Each node to the first node of what it sees: all edges that were sent to its task.

    The nodes of other tasks are asked where they went; what went to a place is now a neighbour of theirs.
    """
    edges = of_kind(tables, EDGE)
    nodes, ends = numbered(edges.reshape(-1))
    first = _first_of_component(nodes, ends.reshape(2, -1), seed)
    own = np.zeros(len(nodes), bool)
    own[ends[: edges.shape[1]]] = True
    went = np.stack([nodes, first])
    yield Parcel(WENT, went[:, own], nodes[own])
    yield Parcel(ASKED, went[::-1, ~own], nodes[~own])


def relabel(tables: Tables, seed: int) -> Iterator[Parcel]:
    """The edges of the next round, and where every node of this round went.

    A node that is never the later end of an edge goes to the first of those that ask for it.
    """
    went, asked = of_kind(tables, WENT), of_kind(tables, ASKED)
    nodes, place = numbered(np.concatenate([asked[1], went[0]]))
    place, own = np.split(place, [asked.shape[1]])
    to = _first_by(place, asked[0], _order(asked[0], seed), len(nodes))
    to[own] = went[1]
    yield Parcel(WENT, np.stack([nodes, to]))
    edges = np.stack([asked[0], to[place]])
    yield Parcel(EDGE, edges[:, edges[0] != edges[1]])


def arrived(tables: Tables) -> Iterator[Parcel]:
    """After the last round, where nodes went is their component."""
    yield Parcel(LABEL, of_kind(tables, WENT))


def asking(tables: Tables) -> Iterator[Parcel]:
    """Where nodes went, to the task of the place; what is known of the places, likewise."""
    went, known = of_kind(tables, WENT), of_kind(tables, LABEL)
    yield Parcel(WENT, went, went[1])
    yield Parcel(LABEL, known, known[0])


def answered(tables: Tables) -> Iterator[Parcel]:
    """The components of nodes, from those of the places that they went to."""
    went, known = of_kind(tables, WENT), of_kind(tables, LABEL)
    yield Parcel(LABEL, np.stack([went[0], looked_up(went[1], known)]))


def grouped(tables: Tables) -> Iterator[Parcel]:
    """Nodes to the task of their component."""
    labels = of_kind(tables, LABEL)
    yield Parcel(LABEL, labels, labels[1])


def named(tables: Tables) -> Iterator[Parcel]:
    """Components named by their least nodes."""
    labels = of_kind(tables, LABEL)
    names, component = numbered(labels[1])
    least = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(least, component, labels[0])
    yield Parcel(LABEL, np.stack([labels[0], least[component]]))


def checking(tables: Tables) -> Iterator[Parcel]:
    """Labels and edges to where the first check is made: the task of the (left) node."""
    labels, edges = of_kind(tables, LABEL), of_kind(tables, EDGE)
    yield Parcel(LABEL, labels, labels[0])
    yield Parcel(EDGE, edges, edges[0])


def half_checked(tables: Tables) -> Iterator[Parcel]:
    """What each left end's component expects of the right end, to the right end's task.

    So is what each component expects of the node that names it: that it be its own.
    """
    labels, edges = of_kind(tables, LABEL), of_kind(tables, EDGE)
    names = np.unique(labels[1])
    at, found = _find(edges[0], labels)
    yield Parcel(FAULT, edges[:, ~found])
    yield Parcel(FAULT, labels[:, labels[1] > labels[0]])
    yield Parcel(LABEL, labels, labels[0])
    yield Parcel(ASKED, np.stack([at, edges[1]])[:, found], edges[1][found])
    yield Parcel(ASKED, np.stack([names, names]), names)


def checked(tables: Tables) -> Iterator[Parcel]:
    """The labels; and the expectations that they do not meet, as faults."""
    labels, asked = of_kind(tables, LABEL), of_kind(tables, ASKED)
    at, found = _find(asked[1], labels)
    yield Parcel(LABEL, labels)
    yield Parcel(FAULT, of_kind(tables, FAULT))
    yield Parcel(FAULT, asked[:, ~found | (at != asked[0])])


def stars(edges: np.ndarray, seed: int) -> np.ndarray:
    """The fewest edges that connect the same, from each node to the first of its component: (2, k).

    >>> edges = stars(np.array([[5, 6, 7], [6, 7, 5]]), seed=0)
    >>> edges.shape, len(np.unique(edges[1]))
    ((2, 2), 1)
    """
    nodes, ends = numbered(edges.reshape(-1))
    first = _first_of_component(nodes, ends.reshape(2, -1), seed)
    return np.stack([nodes, first])[:, nodes != first]


def numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values, sorted, and each value's number among them: as ``np.unique``, twice as fast."""
    order = np.argsort(values)
    ordered = values[order]
    new = np.ones(len(values), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    number = np.empty(len(values), np.int64)
    number[order] = np.cumsum(new) - 1
    return ordered[new], number


def looked_up(nodes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """What is known of each node; the node itself where nothing is."""
    value, found = _find(nodes, known)
    return np.where(found, value, nodes)


def _find(nodes: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The value of each node in ``known`` (2, k), which are distinct, and whether there is one."""
    distinct, number = numbered(np.concatenate([known[0], nodes]))
    value, found = np.zeros(len(distinct), np.int64), np.zeros(len(distinct), bool)
    place, number = number[: known.shape[1]], number[known.shape[1] :]
    value[place], found[place] = known[1], True
    return value[number], found[number]


def _first_of_component(nodes: np.ndarray, ends: np.ndarray, seed: int) -> np.ndarray:
    """For each node, the node of its component that is first in the round's order."""
    component = component_numbers(len(nodes), *ends)
    return _first_by(component, nodes, _order(nodes, seed), len(nodes))[component]


def _first_by(group: np.ndarray, nodes: np.ndarray, order: np.ndarray, groups: int) -> np.ndarray:
    """Of each group, the node that is first in the order: (groups)."""
    least = np.full(groups, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(least, group, order)
    leads = least[group] == order
    first = np.zeros(groups, np.int64)
    first[group[leads]] = nodes[leads]
    return first


def _order(nodes: np.ndarray, seed: int) -> np.ndarray:
    return mix(mix(nodes) + np.uint64(seed))


def _distinct(values: np.ndarray) -> int:
    ordered = np.sort(values)
    return int(len(values) and 1 + np.count_nonzero(ordered[1:] != ordered[:-1]))
