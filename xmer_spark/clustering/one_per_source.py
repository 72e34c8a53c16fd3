"""Clusters that hold at most one record of each source that has every thing once."""

from __future__ import annotations

import numpy as np

from xmer_spark.clustering.base import Clusterer, Problem
from xmer_spark.clustering.graph import GAIN, Graph, merged, mutual_best, sum_by, union
from xmer_spark.clustering.odds import log_odds
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.components import least_members

#: Entries of an assignment, about, that are solved at once.
PART = 1000


class OnePerSource(Clusterer):
    """The partition with the largest sum of log-odds inside its clusters, as far as local search finds it.

    A pair inside a cluster counts log(p / (1 - p)), or ``missing`` (at most 0) if it was not scored; no
    cluster holds two records of one source. Clusters are first merged by average linkage, strongest first.
    Then, source after source, its records are taken out of their clusters and put back by an optimal
    assignment; between two sources this is the best partition there is. Merging and assigning are repeated
    while a component gains. An optimal assignment takes time quadratic in a source's records in one
    component: where these are more than ``exact``, they are put back strongest first.

    Correlation clustering: Bansal, Blum and Chawla 2004. One record per source: Saeedi, Peukert and Rahm 2018
    (CLIP). Merging mutual best neighbours at once gives the result of average linkage one by one: Sumengen et
    al. 2021. Reassigning source by source, as in multi-dimensional assignment: Bandelt et al. 1994.
    """

    def __init__(self, missing: float = -0.25, exact: int = 3000) -> None:
        self.missing = missing
        self.exact = exact

    def _labels(self, problem: Problem) -> np.ndarray:
        if self.missing > 0:
            raise ConfigError(
                f"clustering.one_per_source: missing is log-odds of at most 0, not {self.missing}"
            )
        graph = Graph.of(problem, log_odds(problem.probability), self.missing)
        return graph.clusters(_Search(graph, self.exact).run())


class _Search:
    """The local search."""

    def __init__(self, graph: Graph, exact: int) -> None:
        self.graph = graph
        self.exact = exact
        self.component = graph.component()

    def run(self) -> np.ndarray:
        labels = merged(self.graph, np.arange(len(self.graph.key)))
        while True:
            before = labels
            for source in range(self.graph.presence.shape[1]):
                labels = self.reassigned(labels, source)
            if np.array_equal(labels, before):
                return labels
            labels = merged(self.graph, labels)

    def reassigned(self, labels: np.ndarray, source: int) -> np.ndarray:
        """Take one source's records out of their clusters and assign them anew, where a component gains."""
        graph, nodes = self.graph, len(labels)
        moving = graph.presence[:, source]
        staying = np.flatnonzero(~moving)
        rest_size = np.bincount(labels[staying], minlength=nodes).astype(float)
        rest_presence = union(labels[staying], graph.presence[staying], nodes)

        one, two = moving[graph.a] & ~moving[graph.b], moving[graph.b] & ~moving[graph.a]
        row = np.concatenate([graph.a[one], graph.b[two]])
        cluster = labels[np.concatenate([graph.b[one], graph.a[two]])]
        weight = np.concatenate([graph.weight[one], graph.weight[two]])
        row, cluster, weight, scored = sum_by(row, cluster, weight, np.ones(len(weight)), nodes)
        gain = weight + graph.missing * (rest_size[cluster] - scored)

        current = np.where(moving, graph.missing * rest_size[labels], 0.0)
        at_home = cluster == labels[row]
        current[row[at_home]] = gain[at_home]

        allowed = (gain > GAIN) & ~(graph.presence[row] & rest_presence[cluster]).any(axis=1)
        row, cluster, gain = row[allowed], cluster[allowed], gain[allowed]
        chosen = self._assignment(row, cluster, gain)
        after = np.bincount(self.component[row[chosen]], gain[chosen], nodes)
        before = np.bincount(self.component, current, nodes)
        accepted = (after - before > GAIN)[self.component]

        new = labels.copy()
        leaving = np.flatnonzero(moving & accepted)
        new[leaving] = nodes + leaving  # alone, unless assigned
        taken = chosen[accepted[row[chosen]]]
        new[row[taken]] = cluster[taken]
        return least_members(new)

    def _assignment(self, row: np.ndarray, cluster: np.ndarray, gain: np.ndarray) -> np.ndarray:
        """Which entries to choose, no two in one row or cluster."""
        records = np.bincount(self.component[np.unique(row)], minlength=len(self.component))
        large = (records > self.exact)[self.component[row]]
        chosen = [
            part[_best_assignment(row[part], cluster[part], gain[part])]
            for part in _parts(self.component[row], np.flatnonzero(~large))
        ]
        left, key = np.flatnonzero(large), self.graph.key
        while len(left):
            best = left[mutual_best(row[left], cluster[left], gain[left], key, shift=len(key))]
            chosen.append(best)
            left = left[~(np.isin(row[left], row[best]) | np.isin(cluster[left], cluster[best]))]
        return np.concatenate([np.empty(0, np.int64), *chosen])


def _parts(component: np.ndarray, entries: np.ndarray) -> list[np.ndarray]:
    """The entries in parts of whole components: what is assigned at once takes quadratic time."""
    if not len(entries):
        return []
    entries = entries[np.argsort(component[entries], kind="stable")]
    number = component[entries]
    first = np.flatnonzero(np.concatenate([[True], number[1:] != number[:-1]]))
    cut = first[1:][first[1:] // PART != first[:-1] // PART]
    return np.split(entries, cut)


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
