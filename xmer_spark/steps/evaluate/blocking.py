"""What blocking kept of the true pairs, and how many comparisons it spared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from xmer_spark.evaluation.blocking import reduction_ratio
from xmer_spark.names import metric_name
from xmer_spark.numerics.compared import possible_pairs
from xmer_spark.numerics.intervals import wilson
from xmer_spark.store.runs import Metric


def kept(pair: str, candidate: np.ndarray, level: float) -> Iterator[Metric]:
    """The share of a modality pair's true pairs (p) that are candidates; nothing where there are none."""
    if len(candidate):
        recall = wilson(int(candidate.sum()), len(candidate), level)
        yield Metric(metric_name("blocking_recall", pair), *recall, detail={"pairs": len(candidate)})


def spared(pair: str, candidates: Mapping[tuple[str, str], int], sizes: Mapping[str, int]) -> Metric:
    """The share of a modality pair's comparisons that were spared.

    ``candidates`` counts them by pair of sources, ``sizes`` the items by source.
    """
    found, possible = sum(candidates.values()), possible_pairs(sizes, candidates)
    return Metric(
        metric_name("blocking_reduction", pair),
        reduction_ratio(found, possible),
        detail={"candidates": found, "possible": possible},
    )
