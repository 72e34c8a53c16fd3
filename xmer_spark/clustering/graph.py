"""The weighted graph on which clusters are sought: its nodes are records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from xmer_spark.clustering.base import Problem
from xmer_spark.clustering.decisions import firm
from xmer_spark.numerics.components import components, least_members
from xmer_spark.numerics.mixing import mix

#: A change must gain more than rounding could.
GAIN = 1e-9


@dataclass(frozen=True)
class Graph:
    """Nodes, and pairs a < b of them with their weights, each once.

    Nodes are in the order of their keys, and clusters are named by their least node. A pair inside a cluster
    counts its weight, one that was not scored ``missing``.
    """

    presence: np.ndarray  # (nodes, sources) bool: its source, among those that can be in a cluster once
    key: np.ndarray  # (nodes)
    a: np.ndarray
    b: np.ndarray
    weight: np.ndarray
    missing: float
    node: np.ndarray  # (records) the node of each record, in the order in which they were given

    @classmethod
    def of(cls, problem: Problem, weight: np.ndarray, missing: float) -> Self:
        """With a ``weight`` (m) for each edge; of a pair given twice the higher one counts.

        What people have decided of a pair outweighs everything else.
        """
        order = np.argsort(problem.keys)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        pairs = _pairs(rank[problem.edges], firm(weight, problem.probability))
        return cls(_presence(problem.source[order]), problem.keys[order], *pairs, missing, rank)

    def component(self) -> np.ndarray:
        return components(len(self.key), np.stack([self.a, self.b], axis=1))

    def clusters(self, labels: np.ndarray) -> np.ndarray:
        """The clusters of nodes as those of records, each as the least position: (records)."""
        return least_members(labels[self.node])


def merged(graph: Graph, labels: np.ndarray) -> np.ndarray:
    """Average linkage over the clusters: merge mutual best neighbours while their mean weight is positive.

    No cluster comes to hold two records of one source.
    """
    nodes = len(labels)
    size = np.bincount(labels, minlength=nodes).astype(float)
    presence = union(labels, graph.presence)
    a, b, weight, scored = graph.a, graph.b, graph.weight, np.ones(len(graph.weight))
    while True:
        a, b, weight, scored = aggregate(labels[a], labels[b], weight, scored, nodes)
        free = ~(presence[a] & presence[b]).any(axis=1)
        a, b, weight, scored = a[free], b[free], weight[free], scored[free]
        area = size[a] * size[b]
        mean = (weight + graph.missing * (area - scored)) / area
        best = mutual_best(a, b, mean, graph.key)
        if not len(best):
            return labels
        low, high = a[best], b[best]
        target = np.arange(nodes)
        target[high] = low
        labels = target[labels]
        size[low] += size[high]
        presence[low] |= presence[high]


def mutual_best(
    a: np.ndarray, b: np.ndarray, worth: np.ndarray, key: np.ndarray, shift: int = 0
) -> np.ndarray:
    """Which pairs are each other's best and worth something; with ``shift``, a and b are of two kinds."""
    positive = np.flatnonzero(worth > GAIN)
    a, b, worth = a[positive], b[positive], worth[positive]
    # equal pairs are ranked by a hash: by position, a chain of them would merge one at a time
    chance = mix(mix(key[a]) + key[b].astype(np.uint64))
    place = np.empty(len(a), np.int64)
    place[np.lexsort((b, a, chance, -worth))] = np.arange(len(a))
    best = np.full(len(key) + shift, len(a))
    np.minimum.at(best, a, place)
    np.minimum.at(best, b + shift, place)
    return positive[(best[a] == place) & (best[b + shift] == place)]


def aggregate(
    a: np.ndarray, b: np.ndarray, weight: np.ndarray, scored: np.ndarray, nodes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of different nodes, the lesser first, each once with its sums."""
    apart = a != b
    low, high = np.minimum(a, b)[apart], np.maximum(a, b)[apart]
    return sum_by(low, high, weight[apart], scored[apart], nodes)


def sum_by(
    a: np.ndarray, b: np.ndarray, weight: np.ndarray, scored: np.ndarray, nodes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sums over equal (a, b), in sorted order."""
    pair, inverse = np.unique(a * nodes + b, return_inverse=True)
    weights = np.bincount(inverse, weight, len(pair)).astype(float)
    counts = np.bincount(inverse, scored, len(pair)).astype(float)
    return pair // nodes, pair % nodes, weights, counts


def union(labels: np.ndarray, presence: np.ndarray, nodes: int | None = None) -> np.ndarray:
    """Which sources each cluster has records of."""
    whole = np.zeros((len(labels) if nodes is None else nodes, presence.shape[1]), bool)
    for source in range(presence.shape[1]):
        whole[labels[presence[:, source]], source] = True
    return whole


def _pairs(edges: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of different nodes, the lesser first, each once with its highest weight, in sorted order."""
    low, high = edges.min(axis=1), edges.max(axis=1)
    order = np.lexsort((-weight, high, low))
    low, high, weight = low[order], high[order], weight[order]
    keep = low != high
    keep[1:] &= (np.diff(low) != 0) | (np.diff(high) != 0)
    return low[keep], high[keep], weight[keep]


def _presence(source: np.ndarray) -> np.ndarray:
    """The source of each node, among those that can be in a cluster once: (nodes, sources) bool."""
    presence: np.ndarray = source[:, None] == np.unique(source[source >= 0])
    return presence
