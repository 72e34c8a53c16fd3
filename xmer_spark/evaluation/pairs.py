"""Precision, recall and F1 over pairs of records (SURVEY.md section 2, eq. 1-3).

A clustering predicts every pair within a cluster; the truth is every pair within an entity. No pair is
listed: a record has (group size - 1) partners, so sums over records give the counts. The counts come by
entity, for the bootstrap to draw entities; any sum of them goes through ``pair_measures``.
"""

from __future__ import annotations

import numpy as np

from xmer_spark.evaluation.groups import aligned, joint, sizes
from xmer_spark.evaluation.shares import share


def pair_statistics(clusters: np.ndarray, entities: np.ndarray) -> np.ndarray:
    """Right, predicted and true pairs by entity, (entities, 3), over all pairs of the records (n).

    A false pair lies between two entities and counts one half for each, so that the columns add up to
    the counts over all pairs.

    >>> pair_statistics(np.array([1, 1, 1]), np.array(["a", "a", "b"])).sum(axis=0)
    array([1., 3., 1.])
    """
    cluster, entity = aligned(clusters, entities)
    return _statistics(cluster, entity, np.ones(len(entity), dtype=bool))


def cross_pair_statistics(clusters: np.ndarray, entities: np.ndarray, left: np.ndarray) -> np.ndarray:
    """As ``pair_statistics``, over the pairs between the records where ``left`` (n, bool) holds and the rest.

    Such are the pairs of two kinds, or of two sources: all pairs less those within either side.
    """
    cluster, entity = aligned(clusters, entities)
    left = np.asarray(left, dtype=bool)
    total, *sides = (_statistics(cluster, entity, rows) for rows in (np.ones_like(left), left, ~left))
    return total - sum(sides)


def pair_measures(statistics: np.ndarray) -> np.ndarray:
    """Sums of pair statistics, (..., 3), to precision, recall and F1, (..., 3).

    >>> pair_measures(np.array([1, 1, 2])).round(3).tolist()
    [1.0, 0.5, 0.667]
    """
    right, predicted, true = np.moveaxis(np.asarray(statistics, dtype=np.float64), -1, 0)
    return np.stack(
        [share(right, predicted), share(right, true), share(2 * right, predicted + true)], axis=-1
    )


def _statistics(cluster: np.ndarray, entity: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.stack(
        [_pairs(group, entity, rows) for group in (joint(cluster, entity), cluster, entity)], axis=1
    )


def _pairs(group: np.ndarray, entity: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Pairs of some of the records that share a group, by entity: each record brings half of each pair."""
    halves = (sizes(group[rows]) - 1) / 2
    return np.bincount(entity[rows], weights=halves, minlength=entity.max(initial=-1) + 1)
