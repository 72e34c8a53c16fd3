"""Percentile intervals by drawing entities with replacement (Efron & Tibshirani 1993, chapter 13).

Pairs of one entity rise and fall together, so entities are drawn, not pairs: a cluster bootstrap. A draw
needs no record again, only the sums of the drawn entities' statistics.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xmer_spark.evaluation.groups import codes
from xmer_spark.evaluation.shares import share
from xmer_spark.numerics.intervals import Estimate

#: Sums of statistics (..., s) -> one or more measures (..., q).
Measure = Callable[[np.ndarray], np.ndarray]

_CELLS = 4_000_000  # drawn entities held at once: 32 MB of weights


def bootstrap(
    statistics: np.ndarray, measure: Measure, *, samples: int = 1000, level: float = 0.95, seed: int = 0
) -> list[Estimate]:
    """Each measure of the entities' summed statistics (entities, s), with its percentile interval.

    ``measure`` is ``pair_measures``, ``bcubed_measures`` or ``means``; it gets all samples at once.
    """
    statistics = np.asarray(statistics, dtype=np.float64)
    values = measure(statistics.sum(axis=0))
    entities = len(statistics)
    if not entities:
        raise ValueError("there is no entity to draw: the statistics are empty")
    random = np.random.default_rng(seed)
    at_once = max(1, _CELLS // entities)
    sums = [
        _weights(random, min(at_once, samples - start), entities) @ statistics
        for start in range(0, samples, at_once)
    ]
    tail = (1 - level) / 2
    low, high = np.quantile(measure(np.concatenate(sums)), [tail, 1 - tail], axis=0)
    return [Estimate(*map(float, ends)) for ends in zip(values, low, high, strict=True)]


def mean_statistics(values: np.ndarray, entities: np.ndarray) -> np.ndarray:
    """Sums of per-query values (n, q) and the number of queries, by entity: (entities, q + 1)."""
    values = np.asarray(values, dtype=np.float64).reshape(len(entities), -1)
    entity = codes(entities)
    columns = [np.bincount(entity, weights=column) for column in values.T]
    return np.stack([*columns, np.bincount(entity)], axis=1)


def means(statistics: np.ndarray) -> np.ndarray:
    """Sums of mean statistics, (..., q + 1), to the means, (..., q): Recall@K, MAP."""
    return share(statistics[..., :-1], statistics[..., -1:])


def _weights(random: np.random.Generator, samples: int, entities: int) -> np.ndarray:
    """How often each entity is drawn in each sample, (samples, entities)."""
    drawn = random.integers(entities, size=(samples, entities))
    drawn += np.arange(samples)[:, None] * entities
    counts = np.bincount(drawn.ravel(), minlength=samples * entities)
    return counts.reshape(samples, entities).astype(np.float64)
