"""Components brought together, each with its records and links in one task, and clustered there.

Steps for ``contraction.Exchange``: matrices of int64, in which probabilities are kept as their bits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from xmer_spark.clustering.base import Clusterer
from xmer_spark.clustering.decisions import lasting
from xmer_spark.clustering.links import Nodes, solve
from xmer_spark.clustering.scale.contraction import (
    EDGE,
    FAULT,
    LABEL,
    Exchange,
    Parcel,
    Tables,
    connect,
    looked_up,
    numbered,
    of_kind,
    tasks_for,
)
from xmer_spark.clustering.splitting import BARS, too_large
from xmer_spark.errors import AuditError
from xmer_spark.numerics.mixing import mix

log = logging.getLogger(__name__)

#: (3, m): left, right, probability.
LINK = "link"
#: (2, n): record, source.
NODE = "node"
#: Both with their component, as the last row.
PLACED_LINK, PLACED_NODE = "placed link", "placed node"
#: Records and their clusters (2, n); components and their links (2, k).
CLUSTER, SIZE = "cluster", "size"


def as_edges(tables: Tables) -> Iterator[Parcel]:
    """Links without their probability."""
    yield Parcel(EDGE, of_kind(tables, LINK, 3)[:2])


def by_record(tables: Tables) -> Iterator[Parcel]:
    """Records, links by their left one, and components, to the task of the record."""
    nodes, links, labels = of_kind(tables, NODE), of_kind(tables, LINK, 3), of_kind(tables, LABEL)
    yield Parcel(NODE, nodes, nodes[0])
    yield Parcel(LINK, links, links[0])
    yield Parcel(LABEL, labels, labels[0])


def place(tables: Tables) -> Iterator[Parcel]:
    """Records and links with their component; a record that no link reaches is left out."""
    nodes, links, labels = of_kind(tables, NODE), of_kind(tables, LINK, 3), of_kind(tables, LABEL)
    nodes = nodes[:, np.isin(nodes[0], labels[0])]
    yield Parcel(PLACED_NODE, np.concatenate([nodes, looked_up(nodes[0], labels)[None]]))
    yield Parcel(PLACED_LINK, np.concatenate([links, looked_up(links[0], labels)[None]]))


def sizes(tables: Tables, least: int, among: np.ndarray | None = None) -> Iterator[Parcel]:
    """How many links components have in this part: of those that have ``least``, or of those ``among``."""
    component, count = np.unique(of_kind(tables, PLACED_LINK, 4)[3], return_counts=True)
    wanted = count >= least if among is None else np.isin(component, among)
    yield Parcel(SIZE, np.stack([component, count])[:, wanted])


def gather(tables: Tables, tasks: int, large: np.ndarray, large_task: np.ndarray) -> Iterator[Parcel]:
    """Each component to one task: the ``large`` ones to theirs, those whose task is -1 to none."""
    for kind, columns in ((PLACED_NODE, 3), (PLACED_LINK, 4)):
        entries = of_kind(tables, kind, columns)
        names, number = numbered(entries[-1])
        task = (mix(names) % np.uint64(tasks)).astype(np.int64)
        known = np.isin(large, names)
        task[np.searchsorted(names, large[known])] = large_task[known]
        task = task[number]
        yield Parcel(kind, entries[:, task >= 0], task=task[task >= 0])


def leave(tables: Tables, large: np.ndarray, bar: float) -> Iterator[Parcel]:
    """What is left of components that are too ``large``: their records, and what reaches the bar."""
    nodes, links = of_kind(tables, PLACED_NODE, 3), of_kind(tables, PLACED_LINK, 4)
    yield Parcel(NODE, nodes[:2, np.isin(nodes[2], large)])
    strong = np.isin(links[3], large) & lasting(links[2].view(np.float64), bar)
    yield Parcel(LINK, links[:3, strong])


def refine(tables: Tables, clusterer: Clusterer, most: int) -> Iterator[Parcel]:
    """The clusters of whole components; links whose ends are not in one component are faults."""
    nodes, links = of_kind(tables, PLACED_NODE, 3), of_kind(tables, PLACED_LINK, 4)
    nodes = nodes[:, np.argsort(nodes[0])]
    keys, number = numbered(np.concatenate([nodes[0], links[0], links[1]]))
    position = np.full(len(keys), -1)
    position[number[: nodes.shape[1]]] = np.arange(nodes.shape[1])
    edges = position[number[nodes.shape[1] :]].reshape(2, -1)
    whole = (edges >= 0).all(axis=0)
    whole[whole] = (nodes[2, edges[:, whole]] == links[3, whole]).all(axis=0)
    yield Parcel(FAULT, links[:2, ~whole])
    if whole.all() and nodes.shape[1]:
        probability = links[2].view(np.float64)
        solved = solve(Nodes(nodes[0], nodes[1]), edges.T, probability, clusterer, most)
        yield Parcel(CLUSTER, np.stack([nodes[0], solved.cluster]))


def balanced(count: np.ndarray, total: int, tasks: int) -> np.ndarray:
    """The task of each large component, largest first to the task that has least (Graham 1969): (k).

    ``total`` counts the links of all components; the others' are spread evenly.
    """
    load = np.full(tasks, max(total - int(count.sum()), 0) / tasks)
    task = np.empty(len(count), np.int64)
    for which in np.argsort(-count, kind="stable").tolist():
        task[which] = load.argmin()
        load[task[which]] += count[which]
    return task


class Tally(NamedTuple):
    """Components that were split, and links removed for it."""

    split: int
    removed: int

    def tell(self, measure: Callable[[str, float], None] | None) -> None:
        """Say so, in the log and to ``measure``, where there were any."""
        if not self.split:
            return
        log.warning(
            "clustering: %s components had more than clustering.max_component_links links; their %s weakest "
            "ones were removed",
            f"{self.split:,}",
            f"{self.removed:,}",
        )
        if measure is not None:
            measure("clustering/split_components", self.split)
            measure("clustering/removed_links", self.removed)


@dataclass(frozen=True)
class Tasks:
    """Clustering in the tasks of an exchange, of about ``task_links`` links each, ``most`` in a component."""

    exchange: Exchange
    clusterer: Clusterer
    most: int
    task_links: int

    def cluster(self, nodes: Any, links: Any, count: int) -> tuple[Any, Tally]:
        """The clusters of the records that links touch; those with too many are split, as in ``split``."""
        clusters, tally = None, Tally(0, 0)
        for bar in [*BARS.tolist(), None]:
            tasks = tasks_for(count, self.task_links)
            placed = self._place(nodes, links, count, tasks)
            large, size = self._large(placed, tasks)
            over = size > self.most
            if over.any() and bar is None:
                raise too_large(int(size.max()), self.most)
            done = self._refine(placed, count, large, np.where(over, -1, size), tasks)
            clusters = done if clusters is None else self.exchange.union(clusters, done)
            if not over.any():
                break
            left = self.exchange.step(placed, partial(leave, large=large[over], bar=bar))
            left, counts = self.exchange.keep(left)
            nodes, links = self.exchange.only(left, NODE), self.exchange.only(left, LINK)
            count = counts.get(LINK, 0)
            tally = Tally(tally.split + int(over.sum()), tally.removed + int(size[over].sum()) - count)
        return clusters, tally

    def components(self, links: Any, count: int) -> Any:
        """The component of every record that ``count`` links touch, as its least record."""
        edges = self.exchange.step(links, as_edges)
        labels, rounds = connect(self.exchange, edges, count, self.task_links)
        log.info("clustering: components of %s links in %s rounds", f"{count:,}", rounds)
        return labels

    def _place(self, nodes: Any, links: Any, count: int, tasks: int) -> Any:
        """Records and links with their component."""
        exchange = self.exchange
        both = exchange.union(exchange.union(nodes, links), self.components(links, count))
        return exchange.keep(exchange.step(exchange.step(both, by_record, tasks=tasks), place))[0]

    def _large(self, placed: Any, tasks: int) -> tuple[np.ndarray, np.ndarray]:
        """The components that are too large or matter for the balance of tasks, and their numbers of links.

        One with so many links has its share of them in one of the parts at least.
        """
        share = max(1, min(self.most, self.task_links // 4) // tasks)
        links = self.exchange.only(placed, PLACED_LINK)
        some = self.exchange.step(links, partial(sizes, least=share))
        among = np.unique(self.exchange.collect(some, SIZE, 2)[0])
        exact = self.exchange.step(links, partial(sizes, least=1, among=among))
        found = self.exchange.collect(exact, SIZE, 2) if len(among) else np.empty((2, 0), np.int64)
        names, number = numbered(found[0])
        return names, np.bincount(number, found[1], len(names)).astype(np.int64)

    def _refine(self, placed: Any, count: int, large: np.ndarray, size: np.ndarray, tasks: int) -> Any:
        """The clusters of all components but those ``large`` ones whose ``size`` is -1."""
        exchange, task = self.exchange, np.full(len(large), -1)
        task[size >= 0] = balanced(size[size >= 0], count, tasks)
        step = partial(gather, tasks=tasks, large=large, large_task=task)
        sent = exchange.step(placed, step, tasks=tasks)
        done = exchange.step(sent, partial(refine, clusterer=self.clusterer, most=self.most))
        done, counts = exchange.keep(done)
        if counts.get(FAULT):
            raise AuditError(f"clustering: {counts[FAULT]:,} links lead out of their component")
        return exchange.only(done, CLUSTER)
