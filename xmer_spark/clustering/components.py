"""Connected components as clusters."""

from __future__ import annotations

import numpy as np

from xmer_spark.clustering.base import Clusterer, Problem
from xmer_spark.numerics.components import check_components, components, least_members


class Components(Clusterer):
    """Everything that links connect is one cluster, whatever the sources and probabilities."""

    refines = False

    def _labels(self, problem: Problem) -> np.ndarray:
        positions = np.arange(len(problem.keys))
        together = np.stack([positions, least_members(problem.groups)], axis=1)
        edges = np.concatenate([problem.edges, together])
        labels = components(len(positions), edges)
        check_components(labels, edges)
        return labels
