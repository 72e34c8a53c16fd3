"""Correlation clustering: clusters around pivots, improved by moving single records."""

from __future__ import annotations

import numpy as np

from xmer_spark.clustering.base import Clusterer, Problem
from xmer_spark.clustering.decisions import SURE
from xmer_spark.clustering.graph import GAIN, Graph, merged, sum_by, union
from xmer_spark.clustering.odds import log_odds
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.components import least_members
from xmer_spark.numerics.mixing import mix


class Correlation(Clusterer):
    """The partition with a large sum of log-odds inside its clusters: pivots, then local search.

    A pair inside a cluster counts log(p / (1 - p)), or ``missing`` (at most 0) if it was not scored. In a
    random order a record becomes a pivot, and its cluster is what is linked to it and not yet taken. Of
    ``trials`` orders each component keeps the best. Then single records move to the cluster, or out into one
    of their own, where they add most to the sum, until none does. No cluster holds two records of one source.

    Pivots: Ailon, Charikar and Newman 2008 (within 3 times the least number of disagreements, in expectation,
    where all pairs count the same and there are no sources); many at once with the result of one by one: Pan
    et al. 2015 (C4). Moving single records: Gionis, Mannila and Tsaparas 2007; here moves are made at once if
    they are the best of both clusters concerned, so that what each adds is what it promised.
    """

    def __init__(self, missing: float = -0.25, trials: int = 4) -> None:
        self.missing = missing
        self.trials = trials

    def _labels(self, problem: Problem) -> np.ndarray:
        if self.missing > 0 or self.trials < 1:
            raise ConfigError(
                "clustering.correlation: missing is at most 0 and trials are at least 1, "
                f"not {self.missing} and {self.trials}"
            )
        graph = Graph.of(problem, log_odds(problem.probability), self.missing)
        return graph.clusters(improved(graph, self._best_start(graph)))

    def _best_start(self, graph: Graph) -> np.ndarray:
        """Of each component, the best of several orders.

        One that people have decided something of starts from average linkage, which heeds their decisions
        where single moves might not come to it.
        """
        component = graph.component()
        best, most = np.arange(len(component)), np.zeros(len(component))
        for trial in range(self.trials):
            labels = pivots(graph, mix(mix(graph.key) + np.uint64(trial)))
            total = inside(graph, labels, component)
            better = (total > most + GAIN)[component]
            best, most = np.where(better, labels, best), np.maximum(most, total)
        decided = component[graph.a[np.abs(graph.weight) == SURE]]
        if len(decided):
            best = np.where(np.isin(component, decided), merged(graph, np.arange(len(best))), best)
        return best


def pivots(graph: Graph, order: np.ndarray) -> np.ndarray:
    """The cluster of each node: what its pivot took, where nodes become pivots in ``order``."""
    nodes = len(order)
    rank = np.empty(nodes, np.int64)
    rank[np.argsort(order)] = np.arange(nodes)
    linked = (graph.weight > 0) & ~(graph.presence[graph.a] & graph.presence[graph.b]).any(axis=1)
    a, b, weight = graph.a[linked], graph.b[linked], graph.weight[linked]
    a, b, weight = np.concatenate([a, b]), np.concatenate([b, a]), np.concatenate([weight, weight])
    labels, presence = np.arange(nodes), graph.presence.copy()
    while len(a):
        first = np.full(nodes, nodes)  # the rank of each node's first neighbour that is not yet taken
        np.minimum.at(first, a, rank[b])
        pivot = rank < first
        # a node whose first neighbour may still become a pivot, or be taken, waits for it
        offered = np.flatnonzero(pivot[a] & (rank[a] == first[b]))
        free = offered[~(presence[a[offered]] & graph.presence[b[offered]]).any(axis=1)]
        taken = free[_one_per_source(graph, a[free], b[free], weight[free])]
        labels[b[taken]] = a[taken]
        presence |= union(labels, graph.presence)
        done = np.zeros(nodes, bool)
        done[b[taken]] = True
        refused = (pivot[a] & (rank[a] == first[b])) | (pivot[b] & (rank[b] == first[a]))
        left = ~(done[a] | done[b] | refused)
        a, b, weight = a[left], b[left], weight[left]
    return least_members(labels)


def _one_per_source(graph: Graph, cluster: np.ndarray, node: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Which nodes, each offered to one cluster, are the strongest of all their sources there."""
    order = np.lexsort((node, mix(graph.key[node]), -weight, cluster))
    best = np.ones(len(node), bool)
    for source in range(graph.presence.shape[1]):
        having = order[graph.presence[node[order], source]]
        later = np.zeros(len(having), bool)
        later[1:] = cluster[having[1:]] == cluster[having[:-1]]
        best[having[later]] = False
    return best


def improved(graph: Graph, labels: np.ndarray) -> np.ndarray:
    """Local search: while a node would add more elsewhere, or alone, the best moves are made."""
    while True:
        node, target = _moves(graph, labels)
        if not len(node):
            return labels
        labels = labels.copy()
        labels[node] = target
        labels = least_members(labels)


def _moves(graph: Graph, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and where they go, no two of which concern the same cluster."""
    nodes = len(labels)
    size = np.bincount(labels, minlength=nodes).astype(float)
    presence = union(labels, graph.presence)
    node = np.concatenate([graph.a, graph.b])
    cluster = labels[np.concatenate([graph.b, graph.a])]
    weight = np.tile(graph.weight, 2)
    node, cluster, weight, scored = sum_by(node, cluster, weight, np.ones(len(weight)), nodes)
    home = cluster == labels[node]
    worth = weight + graph.missing * (size[cluster] - home - scored)

    here = graph.missing * (size[labels] - 1)
    here[node[home]] = worth[home]
    away = ~home & ~(graph.presence[node] & presence[cluster]).any(axis=1)
    # out into a cluster of its own, which is called by the node's number after all the others
    alone = np.arange(nodes)
    node = np.concatenate([node[away], alone])
    target = np.concatenate([cluster[away], nodes + alone])
    gain = np.concatenate([worth[away], np.zeros(nodes)]) - here[node]
    useful = gain > GAIN
    return _apart(graph, labels[node[useful]], node[useful], target[useful], gain[useful])


def _apart(
    graph: Graph, origin: np.ndarray, node: np.ndarray, target: np.ndarray, gain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The moves that are the best of both clusters which they concern."""
    nodes = len(graph.key)
    towards = graph.key[target % nodes].astype(np.uint64)
    chance = mix(mix(graph.key[node]) + towards)
    place = np.empty(len(node), np.int64)
    place[np.lexsort((target, node, chance, -gain))] = np.arange(len(node))
    best = np.full(2 * nodes, len(node))
    np.minimum.at(best, origin, place)
    np.minimum.at(best, target, place)
    chosen = (best[origin] == place) & (best[target] == place)
    return node[chosen], target[chosen]


def inside(graph: Graph, labels: np.ndarray, component: np.ndarray) -> np.ndarray:
    """The sum of the weights inside the clusters, by component: (nodes)."""
    nodes = len(labels)
    together = labels[graph.a] == labels[graph.b]
    at = component[graph.a[together]]
    size = np.bincount(labels, minlength=nodes)
    pairs = np.bincount(component, size * (size - 1) / 2, nodes)
    scored = np.bincount(at, minlength=nodes)
    return np.bincount(at, graph.weight[together], nodes) + graph.missing * (pairs - scored)
