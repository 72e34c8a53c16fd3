"""Connected components, and the links that hold them together."""

from __future__ import annotations

import numpy as np

from xmer_spark.clustering.base import Clusterer
from xmer_spark.numerics.components import check_components, components, least_members


class Components(Clusterer):
    """Everything that links connect is one cluster, whatever the sources and probabilities."""

    refines = False

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
        labels = components(n, edges)
        check_components(labels, edges)
        return labels
