"""Connected components as clusters."""

from __future__ import annotations

import numpy as np

from xmer_spark.clustering.base import Clusterer, Problem
from xmer_spark.numerics.components import check_components, components


class Components(Clusterer):
    """Everything that links connect is one cluster, whatever the sources and probabilities."""

    refines = False

    def _labels(self, problem: Problem) -> np.ndarray:
        labels = components(len(problem.keys), problem.edges)
        check_components(labels, problem.edges)
        return labels
