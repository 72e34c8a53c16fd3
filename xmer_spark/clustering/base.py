"""What every clusterer offers."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from xmer_spark.methods import Method


class Clusterer(Method):
    """Divides items into clusters; a cluster depends on its connected component alone."""

    #: Whether components are divided further. Where not, they are the clusters, and no task needs one whole.
    refines = True

    @abstractmethod
    def cluster(
        self,
        n: int,
        edges: np.ndarray,
        probability: np.ndarray,
        source: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        keys: np.ndarray | None = None,
    ) -> np.ndarray:
        """The cluster of each of ``n`` items, as the least position in it: (n) int64.

        ``edges`` (m, 2) are scored pairs and ``probability`` (m) says how likely each is a match.
        ``source`` (n) is the source of items that can be in a cluster only once, -1 for others.
        ``groups`` (n): items of one number belong together whatever their scores.
        ``keys`` (n) are distinct and stable; ties are decided by them, so that the order of items is of
        no consequence. Without them, positions decide.
        """


def least_members(labels: np.ndarray) -> np.ndarray:
    """The same partition, each cluster named by its least position.

    >>> least_members(np.array([7, 3, 7])).tolist()
    [0, 1, 0]
    """
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def mix(values: np.ndarray) -> np.ndarray:
    """One to one, and as if at random: the finaliser of SplitMix64 (Steele et al. 2014)."""
    x = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
