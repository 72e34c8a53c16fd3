"""Hierarchical clustering by average linkage, cut at one mean probability."""

from __future__ import annotations

import numpy as np

from xmer_spark.clustering.base import Clusterer, Problem
from xmer_spark.clustering.graph import Graph, merged
from xmer_spark.errors import ConfigError


class AverageLinkage(Clusterer):
    """Clusters are merged, most similar first, while the mean probability between them exceeds ``cut``.

    The mean is over all pairs of their records; one that was not scored counts ``missing``. No cluster comes
    to hold two records of one source that holds each thing once.

    Sokal and Michener 1958 (UPGMA). Merging all mutual best neighbours at once gives the same tree, as the
    linkage is reducible: Sumengen et al. 2021. That is so without sources; with them, it is the rule.
    """

    def __init__(self, cut: float = 0.5, missing: float = 0.0) -> None:
        self.cut = cut
        self.missing = missing

    def _labels(self, problem: Problem) -> np.ndarray:
        if not 0 <= self.missing <= self.cut <= 1:
            raise ConfigError(
                "clustering.average_linkage: 0 <= missing <= cut <= 1, "
                f"not missing = {self.missing}, cut = {self.cut}"
            )
        graph = Graph.of(problem, problem.probability - self.cut, self.missing - self.cut)
        return graph.clusters(merged(graph, np.arange(len(graph.key))))
