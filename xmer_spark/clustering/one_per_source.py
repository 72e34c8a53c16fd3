"""Clusters that hold at most one item of each source that has every thing once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xmer_spark.clustering.base import Clusterer, least_members
from xmer_spark.clustering.components import components
from xmer_spark.errors import ConfigError

#: Log-odds are cut off where the probability is this close to 0 or 1.
_CERTAIN = 1e-6
#: A change must gain more than rounding could.
_GAIN = 1e-9


class OnePerSource(Clusterer):
    """The partition with the largest sum of log-odds inside its clusters, as far as local search finds it.

    A pair inside a cluster counts log(p / (1 - p)), or ``missing`` (at most 0) if it was not scored; no
    cluster holds two items of one source, unless they are in one group. Clusters are first merged by average
    linkage, strongest first. Then, source after source, its items are taken out of their clusters and put
    back by an optimal assignment; between two sources this is the best partition there is. Merging and
    assigning are repeated while a component gains. An optimal assignment takes time quadratic in a source's
    items in one component: where these are more than ``exact``, they are put back strongest first.

    Correlation clustering: Bansal, Blum and Chawla 2004. One item a source: Saeedi, Peukert and Rahm 2018
    (CLIP). Merging mutual best neighbours at once gives the result of average linkage one by one: Sumengen et
    al. 2021. Reassigning source by source, as in multi-dimensional assignment: Bandelt et al. 1994.
    """

    def __init__(self, missing: float = -0.25, exact: int = 3000) -> None:
        self.missing = missing
        self.exact = exact

    def cluster(
        self,
        n: int,
        edges: np.ndarray,
        probability: np.ndarray,
        source: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        keys: np.ndarray | None = None,
    ) -> np.ndarray:
        if self.missing > 0:
            raise ConfigError(
                f"clustering.one_per_source: missing is log-odds of at most 0, not {self.missing}"
            )
        keys = np.arange(n) if keys is None else np.asarray(keys, np.int64)
        order = np.argsort(keys)
        rank = np.empty(n, np.int64)
        rank[order] = np.arange(n)
        source = np.full(n, -1) if source is None else np.asarray(source)
        groups = np.arange(n) if groups is None else np.asarray(groups)
        node = _positions(least_members(groups[order]))
        graph = _graph(node, rank[np.asarray(edges, np.int64).reshape(-1, 2)], np.asarray(probability, float))
        search = _Search(
            graph, _presence(node, source[order]), keys[order][_first(node)], self.missing, self.exact
        )
        return least_members(search.run()[node[rank]])


@dataclass(frozen=True)
class _Graph:
    """Nodes with their items counted; pairs a < b with their sums of log-odds and scored pairs counted."""

    size: np.ndarray
    a: np.ndarray
    b: np.ndarray
    weight: np.ndarray
    scored: np.ndarray


class _Search:
    """The local search. Clusters are named by their least node; nodes are in the order of their keys."""

    def __init__(
        self, graph: _Graph, presence: np.ndarray, keys: np.ndarray, missing: float, exact: int
    ) -> None:
        self.graph = graph
        self.presence = presence  # (nodes, sources) bool
        self.keys = keys
        self.missing = missing
        self.exact = exact
        self.component = components(len(graph.size), np.stack([graph.a, graph.b], axis=1))

    def run(self) -> np.ndarray:
        labels = self.merged(np.arange(len(self.graph.size)))
        while True:
            before = labels
            for source in range(self.presence.shape[1]):
                labels = self.reassigned(labels, source)
            if np.array_equal(labels, before):
                return labels
            labels = self.merged(labels)

    def merged(self, labels: np.ndarray) -> np.ndarray:
        """Average linkage over the clusters: merge mutual best neighbours while their mean is positive."""
        graph, nodes = self.graph, len(labels)
        size = np.bincount(labels, graph.size, nodes)
        presence = _union(labels, self.presence)
        a, b, weight, scored = graph.a, graph.b, graph.weight, graph.scored
        while True:
            a, b, weight, scored = _aggregate(labels[a], labels[b], weight, scored, nodes)
            free = ~(presence[a] & presence[b]).any(axis=1)
            a, b, weight, scored = a[free], b[free], weight[free], scored[free]
            area = size[a] * size[b]
            mean = (weight + self.missing * (area - scored)) / area
            best = self._mutual_best(a, b, mean)
            if not len(best):
                return labels
            low, high = a[best], b[best]
            target = np.arange(nodes)
            target[high] = low
            labels = target[labels]
            size[low] += size[high]
            presence[low] |= presence[high]

    def _mutual_best(self, a: np.ndarray, b: np.ndarray, worth: np.ndarray, shift: int = 0) -> np.ndarray:
        """Which pairs are each other's best and worth something; with ``shift``, a and b are of two kinds."""
        positive = np.flatnonzero(worth > _GAIN)
        a, b, worth = a[positive], b[positive], worth[positive]
        # equal pairs are ranked by a hash: by position, a chain of them would merge one at a time
        chance = _mix(_mix(self.keys[a]) + self.keys[b].astype(np.uint64))
        place = np.empty(len(a), np.int64)
        place[np.lexsort((b, a, chance, -worth))] = np.arange(len(a))
        best = np.full(len(self.keys) + shift, len(a))
        np.minimum.at(best, a, place)
        np.minimum.at(best, b + shift, place)
        return positive[(best[a] == place) & (best[b + shift] == place)]

    def reassigned(self, labels: np.ndarray, source: int) -> np.ndarray:
        """Take one source's items out of their clusters and assign them anew, where a component gains."""
        graph, nodes = self.graph, len(labels)
        moving = self.presence[:, source]
        staying = np.flatnonzero(~moving)
        rest_size = np.bincount(labels[staying], graph.size[staying], nodes).astype(float)
        rest_presence = _union(labels[staying], self.presence[staying], nodes)

        one, two = moving[graph.a] & ~moving[graph.b], moving[graph.b] & ~moving[graph.a]
        row = np.concatenate([graph.a[one], graph.b[two]])
        cluster = labels[np.concatenate([graph.b[one], graph.a[two]])]
        weight = np.concatenate([graph.weight[one], graph.weight[two]])
        scored = np.concatenate([graph.scored[one], graph.scored[two]])
        row, cluster, weight, scored = _sum_by(row, cluster, weight, scored, nodes)
        gain = weight + self.missing * (graph.size[row] * rest_size[cluster] - scored)

        current = np.where(moving, self.missing * graph.size * rest_size[labels], 0.0)
        at_home = cluster == labels[row]
        current[row[at_home]] = gain[at_home]

        allowed = (gain > _GAIN) & ~(self.presence[row] & rest_presence[cluster]).any(axis=1)
        row, cluster, gain = row[allowed], cluster[allowed], gain[allowed]
        chosen = self._assignment(row, cluster, gain)
        after = np.bincount(self.component[row[chosen]], gain[chosen], nodes)
        before = np.bincount(self.component, current, nodes)
        accepted = (after - before > _GAIN)[self.component]

        new = labels.copy()
        leaving = np.flatnonzero(moving & accepted)
        new[leaving] = nodes + leaving  # alone, unless assigned
        taken = chosen[accepted[row[chosen]]]
        new[row[taken]] = cluster[taken]
        return least_members(new)

    def _assignment(self, row: np.ndarray, cluster: np.ndarray, gain: np.ndarray) -> np.ndarray:
        """Which entries to choose, no two in one row or cluster."""
        items = np.bincount(self.component[np.unique(row)], minlength=len(self.component))
        large = (items > self.exact)[self.component[row]]
        chosen = [np.flatnonzero(~large)[_best_assignment(row[~large], cluster[~large], gain[~large])]]
        left = np.flatnonzero(large)
        while len(left):
            best = left[self._mutual_best(row[left], cluster[left], gain[left], shift=len(self.keys))]
            chosen.append(best)
            left = left[~(np.isin(row[left], row[best]) | np.isin(cluster[left], cluster[best]))]
        return np.concatenate(chosen)


def _best_assignment(row: np.ndarray, column: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Which entries to choose, no two in one row or column, for the largest sum of gains.

    Jonker and Volgenant 1987, sparse: each row also has a column of its own, which stands for no choice.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    if not len(row):
        return np.empty(0, np.int64)
    rows, i = np.unique(row, return_inverse=True)
    columns, j = np.unique(column, return_inverse=True)
    # a cost of its own scale in every row keeps components independent of each other to the last bit
    highest = np.zeros(len(rows))
    np.maximum.at(highest, i, gain)
    cost = np.concatenate([highest[i] - gain, highest]) + 1
    alone = np.arange(len(rows))
    entries = coo_array(
        (cost, (np.concatenate([i, alone]), np.concatenate([j, len(columns) + alone]))),
        shape=(len(rows), len(columns) + len(rows)),
    )
    matched, to = min_weight_full_bipartite_matching(entries.tocsr())
    wanted = np.full(len(rows), -1)
    wanted[matched] = to
    return np.flatnonzero(wanted[i] == j)


def _graph(node: np.ndarray, edges: np.ndarray, probability: np.ndarray) -> _Graph:
    """The graph over groups; of an item pair that is scored twice the higher probability counts."""
    low, high = edges.min(axis=1), edges.max(axis=1)
    order = np.lexsort((-probability, high, low))
    low, high, probability = low[order], high[order], probability[order]
    keep = node[low] != node[high]
    keep[1:] &= (np.diff(low) != 0) | (np.diff(high) != 0)
    low, high, probability = low[keep], high[keep], np.clip(probability[keep], _CERTAIN, 1 - _CERTAIN)
    weight = np.log(probability / (1 - probability))
    size = np.bincount(node).astype(float)
    return _Graph(size, *_aggregate(node[low], node[high], weight, np.ones(len(weight)), len(size)))


def _aggregate(
    a: np.ndarray, b: np.ndarray, weight: np.ndarray, scored: np.ndarray, nodes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of different nodes, the lesser first, each once with its sums."""
    apart = a != b
    low, high = np.minimum(a, b)[apart], np.maximum(a, b)[apart]
    return _sum_by(low, high, weight[apart], scored[apart], nodes)


def _sum_by(
    a: np.ndarray, b: np.ndarray, weight: np.ndarray, scored: np.ndarray, nodes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sums over equal (a, b), in sorted order."""
    pair, inverse = np.unique(a * nodes + b, return_inverse=True)
    weights = np.bincount(inverse, weight, len(pair)).astype(float)
    counts = np.bincount(inverse, scored, len(pair)).astype(float)
    return pair // nodes, pair % nodes, weights, counts


def _presence(node: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Which sources each node has items of: (nodes, sources) bool."""
    sources, column = np.unique(source, return_inverse=True)
    presence = np.zeros((int(node.max(initial=-1)) + 1, len(sources)), bool)
    presence[node, column] = True
    return presence[:, sources >= 0]


def _union(labels: np.ndarray, presence: np.ndarray, nodes: int | None = None) -> np.ndarray:
    """Which sources each cluster has items of."""
    union = np.zeros((len(labels) if nodes is None else nodes, presence.shape[1]), bool)
    for source in range(presence.shape[1]):
        union[labels[presence[:, source]], source] = True
    return union


def _positions(labels: np.ndarray) -> np.ndarray:
    """Labels replaced by 0, 1, ... in their order."""
    return np.unique(labels, return_inverse=True)[1]


def _first(node: np.ndarray) -> np.ndarray:
    return np.unique(node, return_index=True)[1]


def _mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele et al. 2014)."""
    x = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
