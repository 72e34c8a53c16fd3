"""How well the held-out records of each source find their partners in each other source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from xmer_spark.evaluation import ranking
from xmer_spark.evaluation.bootstrap import mean_statistics, means
from xmer_spark.evaluation.groups import missing
from xmer_spark.names import direction_name, metric_name, recall_at, side_name
from xmer_spark.numerics.records import EMBEDDING, Records
from xmer_spark.steps.evaluate.clusters import known_or_alone
from xmer_spark.steps.evaluate.held_out import HeldOut
from xmer_spark.steps.evaluate.intervals import Intervals
from xmer_spark.store.runs import Metric

#: Records (n) and records (m) -> what says of some of the first how alike they and all of the second are:
#: row numbers (r) -> (r, m); -inf where they cannot be compared.
Similarity = Callable[[Records, Records], ranking.Similarity]
#: Records of a side that are compared to see whether the two sides can be.
_TRIED = 50


@dataclass(frozen=True)
class Question:
    """What is sought: ``truth`` is entity or label, and at most so many ``queries`` of a side are ranked."""

    truth: str
    recalls: Sequence[int]
    queries: int
    intervals: Intervals


def between_sources(
    known: HeldOut, records: Mapping[str, Records], similarity: Similarity, question: Question
) -> Iterator[Metric]:
    """MAP, Recall@K and the class of the first result, of each source's records in each other source.

    Only directions in which some query has a true match are measured, and some records can be compared.
    """
    for query, gallery in permutations(records, 2):
        left, right = _drawn(records[query], question.queries), records[gallery]
        tried = [_drawn(side, _TRIED) for side in (left, right)]
        if not np.isfinite(similarity(*tried)(np.arange(len(tried[0])))).any():
            continue
        about = direction_name(query, gallery)
        not_ranked = len(records[query]) - len(left)
        found = list(
            _direction(about, known, left, right, _finite(similarity(left, right)), question, not_ranked)
        )
        yield from found
        if found and len(fields_of(left)) == len(fields_of(right)) == 1:
            # What the common space is worth by itself: the comparisons of records rank by more than this.
            yield from _map_of_space(about, known, left, right, question.truth)


def between_fields(
    known: HeldOut, records: Mapping[str, Records], similarity: Similarity, question: Question
) -> Iterator[Metric]:
    """The same of each content field of a source in each other of its fields, as if records had no others."""
    for source, whole in records.items():
        sides = {side_name(source, field): _embedded(whole, field).only(field) for field in fields_of(whole)}
        yield from between_sources(known, sides, similarity, question)


def fields_of(records: Records) -> list[str]:
    """The fields that have a place in the common space, sorted."""
    return sorted(name.removesuffix(EMBEDDING) for name in records.columns if name.endswith(EMBEDDING))


def _direction(
    about: str,
    known: HeldOut,
    left: Records,
    right: Records,
    similarity: ranking.Similarity,
    question: Question,
    not_ranked: int,
) -> Iterator[Metric]:
    if not len(left) or not len(right):
        return
    a, b = known.of(left.keys), known.of(right.keys)
    labels = getattr(a, question.truth), getattr(b, question.truth)
    ranked = ranking.rank(similarity, *labels, recall_at=question.recalls)
    if not len(ranked.query):
        return
    values = np.column_stack([ranked.average_precision, *ranked.recall.values()])
    statistics = mean_statistics(values, known_or_alone(a.entity)[ranked.query])
    names = ["map", *map(recall_at, ranked.recall)]
    counts = {"queries": len(ranked.query), "gallery": len(right), "not_ranked": not_ranked}
    yield from question.intervals.metrics(names, about, statistics, means, **counts)
    yield from first_result(about, a.label[ranked.query], b.label[ranked.first])


def _map_of_space(about: str, known: HeldOut, left: Records, right: Records, truth: str) -> Iterator[Metric]:
    """MAP of the records that have a place in the common space, ranked by their inner products."""
    (a,), (b,) = fields_of(left), fields_of(right)
    left, right = _embedded(left, a), _embedded(right, b)
    if not len(left) or not len(right):
        return
    by_space = ranking.inner_product(left.columns[a + EMBEDDING], right.columns[b + EMBEDDING])
    labels = (getattr(known.of(side.keys), truth) for side in (left, right))
    ranked = ranking.rank(by_space, *labels)
    if len(ranked.query):
        yield Metric(metric_name("map_of_space", about), float(ranked.average_precision.mean()))


def first_result(about: str, true: np.ndarray, found: np.ndarray) -> Iterator[Metric]:
    """The share of queries (q) whose first result is of their class, and how often each class finds each.

    Nothing where the class of one of them is unknown.
    """
    if missing(true).any() or missing(found).any():
        return
    classes = sorted({*true, *found})
    counts = ranking.confusion_matrix(true, found, classes)
    yield Metric(
        metric_name("first_result_class_accuracy", about),
        float(np.trace(counts) / counts.sum()),
        detail={"classes": classes, "counts": counts.tolist()},
    )


def _finite(similarity: ranking.Similarity) -> ranking.Similarity:
    """The same, where what cannot be compared comes last."""
    last = np.finfo(np.float32).min
    return lambda rows: np.maximum(similarity(rows), last)


def _embedded(records: Records, field: str) -> Records:
    """Those of the records whose field has a place in the common space."""
    return records.where(records.present(field + EMBEDDING))


def _drawn(records: Records, most: int) -> Records:
    """At most so many of the records: those of the lowest keys, which are hashes, and so a fair draw."""
    return records.where(np.arange(min(most, len(records))))
