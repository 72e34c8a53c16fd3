"""What spaces and hashers learn from: views of several modalities, class labels, and pairs of one thing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xmer_spark.errors import XmerError

Views = Mapping[str, np.ndarray]


Labels = Mapping[str, np.ndarray]


Pairs = Mapping[tuple[str, str], np.ndarray]


def aligned_pairs(views: Views) -> dict[tuple[str, str], np.ndarray]:
    """The pairs of views whose rows are aligned: row i with row i, for every two modalities."""
    rows = {modality: len(view) for modality, view in views.items()}
    if len(set(rows.values())) > 1:
        raise XmerError(f"views without pairs must have equally many rows, not {rows}")
    names = list(views)
    count = next(iter(rows.values()))
    identity = np.repeat(np.arange(count), 2).reshape(-1, 2)
    return {(a, b): identity for i, a in enumerate(names) for b in names[i + 1 :]}


def check_pairs(views: Views, pairs: Pairs) -> None:
    """An XmerError where a pair names an unknown modality or a row that is not there."""
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
