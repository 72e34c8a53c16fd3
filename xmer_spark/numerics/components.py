"""Connected components, and the links that hold them together."""

from __future__ import annotations

import numpy as np

from xmer_spark.errors import AuditError


def components(n: int, edges: np.ndarray) -> np.ndarray:
    """The connected component of each of ``n`` nodes, as its least node: (n) int64.

    The component of an edge is that of either end: ``components(n, edges)[edges[:, 0]]``.

    >>> components(4, np.array([[2, 1], [3, 2]])).tolist()
    [0, 1, 1, 1]
    """
    ends = np.asarray(edges, np.int64).reshape(-1, 2)
    numbers = component_numbers(n, ends[:, 0], ends[:, 1])
    # of the positions written to one place the last one stays, so the least is written last
    least = np.empty(n, np.int64)
    least[numbers[::-1]] = np.arange(n - 1, -1, -1)
    return least[numbers]


def component_numbers(n: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The components of ``n`` nodes with edges a - b, numbered from 0: (n) int32."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    index = np.int32 if n < 2**31 else np.int64
    ends = (a.astype(index, copy=False), b.astype(index, copy=False))
    adjacency = coo_array((np.ones(len(a)), ends), shape=(n, n))
    numbers: np.ndarray = connected_components(adjacency, directed=False)[1]
    return numbers


def check_components(labels: np.ndarray, edges: np.ndarray) -> None:
    """Raise an AuditError unless every edge is inside one component, which its least node names."""
    broken = labels[edges[:, 0]] != labels[edges[:, 1]]
    if broken.any():
        raise AuditError(f"clustering: {broken.sum():,} links lead out of their component")
    if (labels > np.arange(len(labels))).any() or (labels[labels] != labels).any():
        raise AuditError("clustering: a component is not named by its least member")


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


def least_members(labels: np.ndarray) -> np.ndarray:
    """The same partition, each cluster named by its least position.

    >>> least_members(np.array([7, 3, 7])).tolist()
    [0, 1, 0]
    """
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)
