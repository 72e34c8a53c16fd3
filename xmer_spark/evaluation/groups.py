"""Labels of records as integers, and the sizes of the groups that they make."""

from __future__ import annotations

import numpy as np


def codes(labels: np.ndarray) -> np.ndarray:
    """Labels of any kind (n) as integers from 0, in the labels' sorted order.

    >>> codes(np.array(["b", "a", "b"]))
    array([1, 0, 1])
    """
    return np.unique(np.asarray(labels), return_inverse=True)[1]


def missing(labels: np.ndarray) -> np.ndarray:
    """Which labels (n) are unknown: None.

    >>> missing(np.array(["a", None], dtype=object)).tolist()
    [False, True]
    """
    import pandas as pd

    return np.asarray(pd.isna(labels))


def joint(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One code (n) for each combination of two codes: the cells of their contingency table.

    >>> joint(np.array([0, 0, 1]), np.array([2, 1, 2]))
    array([1, 0, 2])
    """
    return codes(first * (second.max(initial=0) + 1) + second)


def sizes(group: np.ndarray) -> np.ndarray:
    """For each record (n), how many records its group has.

    >>> sizes(np.array([0, 1, 0]))
    array([2, 1, 2])
    """
    return np.bincount(group)[group] if group.size else group


def aligned(clusters: np.ndarray, entities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true labels as codes; an error where they do not belong to the same records."""
    clusters, entities = np.asarray(clusters), np.asarray(entities)
    if clusters.ndim != 1 or clusters.shape != entities.shape:
        raise ValueError(f"one cluster and one entity per record, not {clusters.shape} and {entities.shape}")
    return codes(clusters), codes(entities)
