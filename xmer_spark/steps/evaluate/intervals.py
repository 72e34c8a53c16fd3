"""Measures with their intervals, as metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xmer_spark.evaluation.bootstrap import Measure, bootstrap
from xmer_spark.names import metric_name
from xmer_spark.store.runs import Metric


@dataclass(frozen=True)
class Intervals:
    """How intervals are worked out: from so many draws of entities, at this level, with this seed."""

    samples: int
    level: float
    seed: int

    def metrics(
        self, names: Sequence[str], about: str, statistics: np.ndarray, measure: Measure, **detail: Any
    ) -> Iterator[Metric]:
        """The measures of these names, all from the statistics by entity (entities, s)."""
        estimates = bootstrap(statistics, measure, samples=self.samples, level=self.level, seed=self.seed)
        for name, estimate in zip(names, estimates, strict=True):
            yield Metric(metric_name(name, about), *estimate, detail=detail or None)
