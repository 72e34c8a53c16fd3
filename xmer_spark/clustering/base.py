"""What every clusterer offers."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from xmer_spark.method import Method


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
