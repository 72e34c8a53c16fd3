"""Retrieval: each query ranks a gallery, and its true matches should come first.

Ties are broken against the method: among equal scores, true matches come last. A constant score
thus earns nothing, and neither the order of the gallery nor chance has a say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xmer_spark.evaluation.groups import codes

#: Query numbers (b) -> their similarity to everything in the gallery, (b, m), greater is nearer.
#: A score of -inf takes one out of a query's gallery, such as the query itself.
Similarity = Callable[[np.ndarray], np.ndarray]

_SIGN = np.uint64(1 << 63)
_LAST_BIT = np.uint64(1)


@dataclass(frozen=True)
class Ranking:
    """What each query found, for the queries that have a true match in the gallery.

    Shapes are (n) over these queries: ``query`` is the query's number, ``first`` the gallery number of its
    first result, ``recall[k]`` the share of its true matches among the first k (the term of eq. 4 in
    SURVEY.md section 2) and ``average_precision`` the term of eq. 5. A measure is the mean of its terms.
    A query without a true match is not among them, for no measure can judge it.
    """

    query: np.ndarray
    first: np.ndarray
    recall: dict[int, np.ndarray]
    average_precision: np.ndarray


def rank(
    similarity: Similarity,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    *,
    recall_at: Sequence[int] = (1, 5, 10),
    block: int = 256,
) -> Ranking:
    """Rank the gallery (m) for every query (n), ``block`` queries at a time: memory is O(block x m).

    What has the query's label (an entity or a class) is a true match. Average precision is over the full
    ranking: M of eq. 5 is m.
    """
    queries = len(query_labels)
    label = codes(np.concatenate([np.asarray(query_labels), np.asarray(gallery_labels)]))
    parts = []
    for start in range(0, queries, block):
        numbers = np.arange(start, min(start + block, queries))
        relevant = label[numbers, None] == label[None, queries:]
        answerable = relevant.any(axis=1)  # of the others nothing is measured
        numbers, relevant = numbers[answerable], relevant[answerable]
        parts.append(_rank_block(numbers, similarity(numbers), relevant, recall_at))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else []
    if not columns:
        columns = [np.empty(0, dtype=np.int64)] * (3 + len(recall_at))
    query, first, average_precision, *recall = columns
    return Ranking(query, first, dict(zip(recall_at, recall, strict=True)), average_precision)


def inner_product(queries: np.ndarray, gallery: np.ndarray) -> Similarity:
    """The inner product of embeddings (n, d) and (m, d); the cosine where rows have unit length."""
    return lambda numbers: queries[numbers] @ gallery.T


def _rank_block(
    numbers: np.ndarray,
    scores: np.ndarray,
    relevant: np.ndarray,
    recall_at: Sequence[int],
) -> tuple[np.ndarray, ...]:
    if scores.shape != relevant.shape:
        raise ValueError(f"similarity gave {scores.shape} scores; expected {relevant.shape}")
    if np.isnan(scores).any():
        raise ValueError("similarity gave NaN; every query needs a score with everything in the gallery")
    relevant = relevant & (scores > -np.inf)
    answerable = relevant.any(axis=1)
    keys = _keys(scores[answerable], relevant[answerable])
    first = keys.argmax(axis=1) if keys.size else np.empty(0, dtype=np.int64)
    keys.sort(axis=1)
    hit = (keys[:, ::-1] & _LAST_BIT) == 0
    found = hit.cumsum(axis=1)
    matches = found[:, -1]
    position = np.arange(1, hit.shape[1] + 1)
    precision = np.where(hit, found / position, 0.0).sum(axis=1) / matches
    recall = [found[:, min(k, hit.shape[1]) - 1] / matches for k in recall_at]
    return numbers[answerable], first, precision, *recall


def _keys(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Scores as integers in the same order, the last bit telling a tie's true matches (0) from the rest (1).

    One sort of plain integers then does what would take a sort by two keys. The bit is the last of a
    double's 52, so single precision scores keep their exact order.
    """
    bits = np.ascontiguousarray(scores, dtype=np.float64) + 0.0  # -0.0 becomes 0.0
    integers = bits.view(np.uint64)
    ordered = np.where(integers & _SIGN, ~integers, integers | _SIGN)
    return (ordered & ~_LAST_BIT) | (~relevant).astype(np.uint64)


def confusion_matrix(true: np.ndarray, found: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Counts (c, c) of true class by class of the first result, in the order of ``classes``.

    >>> confusion_matrix(np.array(["a", "a", "b"]), np.array(["a", "b", "b"]), ["a", "b"])
    array([[1, 1],
           [0, 1]])
    """
    order = np.argsort(np.asarray(classes))
    names = np.asarray(classes)[order]
    true, found = np.asarray(true), np.asarray(found)
    unknown = np.setdiff1d(np.concatenate([true, found]), names)
    if unknown.size:
        raise ValueError(f"classes that are not listed: {', '.join(map(str, unknown[:5]))}")
    cell = order[np.searchsorted(names, true)] * len(names) + order[np.searchsorted(names, found)]
    return np.bincount(cell, minlength=len(names) ** 2).reshape(len(names), len(names))
