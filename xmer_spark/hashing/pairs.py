"""What cross-modal hashers are told: which items are alike, from pairs or from class labels."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.views import Pairs, Views, checked_pairs


class Sample(NamedTuple):
    """Pairs of rows of two views, all (p,): ``alike`` is 1 where the two are similar and -1 elsewhere."""

    left: np.ndarray
    right: np.ndarray
    alike: np.ndarray


def check_modalities(method: str, views: Views) -> None:
    if len(views) < 2:
        raise XmerError(f"hashing: {method} learns across modalities, and there is only {', '.join(views)}")


def check_supervision(supervision: str) -> None:
    if supervision not in ("pairs", "labels"):
        raise XmerError(f'hashing: supervision is "pairs" or "labels", not {supervision!r}')


def similar_and_not(
    views: Views,
    labels: Mapping[str, np.ndarray] | None,
    pairs: Pairs | None,
    count: int,
    random: np.random.Generator,
) -> dict[tuple[str, str], Sample]:
    """About ``count`` similar and as many dissimilar pairs of every two modalities.

    Similar are items of one class, or, without labels, those that ``pairs`` brings together.
    """
    if labels is None:
        across = {(a, b): p for (a, b), p in checked_pairs(views, pairs).items() if a != b and len(p)}
        alone = set(views) - {m for key in across for m in key}
        if alone:
            raise XmerError(f"hashing: no pairs of {', '.join(sorted(alone))} with another modality")
        return {key: _from_pairs(views, key, index, count, random) for key, index in across.items()}
    return {(a, b): _from_labels(labels[a], labels[b], count, random) for a, b in combinations(views, 2)}


def _from_pairs(
    views: Views, key: tuple[str, str], index: np.ndarray, count: int, random: np.random.Generator
) -> Sample:
    rows = len(views[key[0]]), len(views[key[1]])
    true = index[:, 0].astype(np.int64) * rows[1] + index[:, 1]
    similar = true if len(true) <= count else np.sort(random.choice(true, count, replace=False))
    others = random.integers(0, rows[0] * rows[1], len(similar))
    others = others[~np.isin(others, true)]
    return _sample(*np.divmod(similar, rows[1]), *np.divmod(others, rows[1]))


def _from_labels(left: np.ndarray, right: np.ndarray, count: int, random: np.random.Generator) -> Sample:
    """Draws of a labelled item and one of the same class, and of two items of different classes."""
    order = np.argsort(right, kind="stable")
    i = random.permutation(np.flatnonzero(np.isin(left, right[right >= 0])))
    i = np.resize(i, count if len(i) else 0)
    first = np.searchsorted(right[order], left[i], "left")
    size = np.searchsorted(right[order], left[i], "right") - first
    j = order[first + (random.random(len(i)) * size).astype(np.int64)]
    m, n = (random.choice(np.flatnonzero(y >= 0), count) for y in (left, right))
    different = left[m] != right[n]
    return _sample(i, j, m[different], n[different])


def _sample(i: np.ndarray, j: np.ndarray, m: np.ndarray, n: np.ndarray) -> Sample:
    alike = np.concatenate([np.ones(len(i)), -np.ones(len(m))])
    return Sample(np.concatenate([i, m]), np.concatenate([j, n]), alike)
