"""What every clusterer offers."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import numpy as np

from xmer_spark.method import Method


class Problem(NamedTuple):
    """What is to be clustered: the arguments of ``Clusterer.cluster``, with nothing left out."""

    edges: np.ndarray
    probability: np.ndarray
    source: np.ndarray
    keys: np.ndarray


class Clusterer(Method):
    """Divides records into clusters; a cluster depends on its connected component alone."""

    #: Whether components are divided further. Where not, they are the clusters, and no task needs one whole.
    refines = True

    def cluster(
        self,
        n: int,
        edges: np.ndarray,
        probability: np.ndarray,
        source: np.ndarray | None = None,
        keys: np.ndarray | None = None,
    ) -> np.ndarray:
        """The cluster of each of ``n`` records, as the least position in it: (n) int64.

        ``edges`` (m, 2) are scored pairs and ``probability`` (m) says how likely each is a match, or what
        people have decided of it: ``decisions.SAME`` or ``DIFFERENT``.
        ``source`` (n) is the source of records that can be in a cluster only once, -1 for others.
        ``keys`` (n) are distinct and stable; ties are decided by them, so that the order of records is of
        no consequence. Without them, positions decide.
        """
        problem = Problem(
            np.asarray(edges, np.int64).reshape(-1, 2),
            np.asarray(probability, float),
            np.full(n, -1) if source is None else np.asarray(source),
            np.arange(n) if keys is None else np.asarray(keys, np.int64),
        )
        return self._labels(problem)

    @abstractmethod
    def _labels(self, problem: Problem) -> np.ndarray:
        """``cluster`` of what is complete."""
