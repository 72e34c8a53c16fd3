"""What spaces and hashers learn from: views of several modalities, class labels, and pairs of one thing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.components import component_numbers

#: Modality -> (n, d) vectors.
Views = Mapping[str, np.ndarray]
#: Modality -> (n,) class numbers, -1 where unknown.
Labels = Mapping[str, np.ndarray]
#: Two modalities -> (p, 2) row indices, into the views of either, that describe one thing.
Pairs = Mapping[tuple[str, str], np.ndarray]
#: Arrays by name, most often by modality.
Arrays = dict[str, np.ndarray]


def contiguous_views(views: Views) -> dict[str, np.ndarray]:
    """The views laid out row by row, as whoever reads them from a table has them."""
    return {modality: np.asarray(view, order="C") for modality, view in views.items()}


def aligned_pairs(views: Views) -> dict[tuple[str, str], np.ndarray]:
    """The pairs of views whose rows are aligned: row i with row i, for every two modalities."""
    rows = {modality: len(view) for modality, view in views.items()}
    if len(set(rows.values())) > 1:
        raise XmerError(f"views without pairs must have equally many rows, not {rows}")
    identity = np.repeat(np.arange(next(iter(rows.values()))), 2).reshape(-1, 2)
    return dict.fromkeys(combinations(views, 2), identity)


def checked_pairs(views: Views, pairs: Pairs | None) -> Pairs:
    """The pairs, or else those of aligned rows; an XmerError names a view or a row that is not there."""
    if pairs is None:
        return aligned_pairs(views)
    for (a, b), index in pairs.items():
        unknown = {a, b} - set(views)
        if unknown:
            raise XmerError(f"pairs of {a} and {b}: no view of {', '.join(sorted(unknown))}")
        if index.ndim != 2 or index.shape[1] != 2:
            raise XmerError(
                f"pairs of {a} and {b}: expected an array of (p, 2) row indices, not {index.shape}"
            )
        if len(index) and (index.min() < 0 or (index.max(axis=0) >= (len(views[a]), len(views[b]))).any()):
            raise XmerError(f"pairs of {a} and {b}: a row index lies outside its view")
    return pairs


def things(views: Views, pairs: Pairs) -> Arrays:
    """The number of the thing that each item shows, by modality: (n_m,), 0 to the number of things - 1.

    Items belong to one thing where a chain of pairs leads from one to the other.
    """
    starts = dict(zip(views, np.cumsum([0, *(len(view) for view in views.values())]), strict=False))
    links = [index + np.array([starts[a], starts[b]]) for (a, b), index in pairs.items()]
    left, right = np.vstack([np.empty((0, 2), np.int64), *links]).T
    numbers = component_numbers(sum(len(view) for view in views.values()), left, right)
    return {m: numbers[start : start + len(views[m])] for m, start in starts.items()}


def checked_labels(method: str, views: Views, labels: Labels | None) -> Arrays:
    """Labels by modality; an XmerError where a modality has none, or not one per item."""
    given = {m: np.asarray((labels or {}).get(m, ())) for m in views}
    missing = [m for m, y in given.items() if not (y >= 0).any()]
    if missing:
        raise XmerError(f"{method} learns from class labels; {', '.join(missing)} has none")
    for m, view in views.items():
        if len(given[m]) != len(view):
            raise XmerError(f"{method}: {m} needs {len(view)} labels, not {len(given[m])}")
    return given


def class_numbers(labels: Labels) -> tuple[np.ndarray, Arrays]:
    """The sorted classes (c) of all modalities, and each item's number among them, -1 where unknown.

    >>> classes, numbers = class_numbers({"image": np.array([7, -1]), "text": np.array([3, 7])})
    >>> classes.tolist(), numbers["image"].tolist()
    ([3, 7], [1, -1])
    """
    classes = np.unique(np.concatenate([y[y >= 0] for y in labels.values()]))
    return classes, {m: np.where(y >= 0, np.searchsorted(classes, y), -1) for m, y in labels.items()}


def one_hot(numbers: np.ndarray, classes: int) -> np.ndarray:
    """Class numbers (n) as rows (n, classes) float64; -1 becomes a zero row.

    >>> one_hot(np.array([1, -1]), 2).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    return (numbers[:, None] == np.arange(classes)).astype(np.float64)
