"""Connected components, and the links that hold them together."""

from __future__ import annotations

import numpy as np

from xmer_spark.clustering.base import Clusterer, least_members


class Components(Clusterer):
    """Everything that links connect is one cluster, whatever the sources and probabilities."""

    def cluster(
        self,
        n: int,
        edges: np.ndarray,
        probability: np.ndarray,
        source: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        keys: np.ndarray | None = None,
    ) -> np.ndarray:
        if groups is not None:
            edges = np.concatenate([edges.reshape(-1, 2), np.stack([np.arange(n), least_members(groups)], 1)])
        return components(n, edges)


def components(n: int, edges: np.ndarray) -> np.ndarray:
    """The connected component of each of ``n`` nodes, as its least node: (n) int64.

    The component of an edge is that of either end: ``components(n, edges)[edges[:, 0]]``.

    >>> components(4, np.array([[2, 1], [3, 2]])).tolist()
    [0, 1, 1, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.asarray(edges, np.int64).reshape(-1, 2).T
    adjacency = coo_array((np.ones(ends.shape[1], np.int8), (ends[0], ends[1])), shape=(n, n))
    return least_members(connected_components(adjacency, directed=False)[1])


def strongest_tree(n: int, edges: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """The links, as positions in ``edges``, of a maximum spanning forest: what holds each component together.

    The least probability among a component's is the highest threshold at which it is still connected.

    >>> strongest_tree(3, np.array([[0, 1], [1, 2], [0, 2]]), np.array([0.9, 0.3, 0.8])).tolist()
    [0, 2]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    low, high = edges.min(axis=1), edges.max(axis=1)
    order = np.lexsort((-probability, high, low))
    order = order[low[order] != high[order]]
    first = np.ones(len(order), bool)  # the stronger of two links between the same nodes
    first[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
    order = order[first]
    # ranks, not probabilities: they are distinct and none is zero, which SciPy takes for no edge
    rank = np.empty(len(order))
    rank[np.argsort(-probability[order], kind="stable")] = np.arange(1, len(order) + 1)
    tree = minimum_spanning_tree(coo_array((rank, (low[order], high[order])), shape=(n, n)).tocsr())
    return np.sort(order[np.isin(rank, tree.data)])
