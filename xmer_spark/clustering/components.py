"""Connected components as clusters."""

from __future__ import annotations

import numpy as np

from xmer_spark.clustering.base import Clusterer, Problem
from xmer_spark.clustering.decisions import DIFFERENT
from xmer_spark.numerics.components import check_components, components


class Components(Clusterer):
    """Everything that links connect is one cluster, whatever the sources and probabilities.

    Two records that are decided to be different are no link, and share a cluster where others connect them.
    """

    refines = False

    def _labels(self, problem: Problem) -> np.ndarray:
        edges = problem.edges[problem.probability != DIFFERENT]
        labels = components(len(problem.keys), edges)
        check_components(labels, edges)
        return labels
