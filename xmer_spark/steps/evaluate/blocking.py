"""What blocking kept of the true pairs, and how many comparisons it spared, by pair of sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from xmer_spark.evaluation.blocking import reduction_ratio
from xmer_spark.names import metric_name
from xmer_spark.numerics.compared import equal_pairs
from xmer_spark.numerics.intervals import wilson
from xmer_spark.numerics.records import Records
from xmer_spark.steps.evaluate.held_out import HeldOut
from xmer_spark.store.runs import Metric


def kept(
    about: str, blockers: Sequence[Any], left: Records, right: Records, known: HeldOut, level: float
) -> Iterator[Metric]:
    """The share of the true pairs of two sources that some blocker proposes; nothing where there are none.

    ``left`` and ``right`` are the same records where a source is compared with itself. Nothing either where
    a blocker looks at more than two records and cannot be asked about a pair alone.
    """
    if not all(blocker.local for blocker in blockers):
        return
    i, j = equal_pairs(known.of(left.keys).entity, known.of(right.keys).entity)
    if left.source == right.source:
        i, j = i[i < j], j[i < j]
    if len(i):
        proposed = np.zeros(len(i), dtype=bool)
        for blocker in blockers:
            rest = np.flatnonzero(~proposed)
            proposed[rest] = blocker.hits(left, right, i[rest], j[rest])
        recall = wilson(int(proposed.sum()), len(i), level)
        yield Metric(metric_name("blocking_recall", about), *recall, detail={"pairs": len(i)})


def spared(about: str, candidates: int, possible: int) -> Metric:
    """The share of the comparisons of two sources that were spared."""
    return Metric(
        metric_name("blocking_reduction", about),
        reduction_ratio(candidates, possible),
        detail={"candidates": candidates, "possible": possible},
    )
