"""How well the held-out items of each source find their partners in each other source."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import permutations

import numpy as np

from xmer_spark.evaluation import ranking
from xmer_spark.evaluation.bootstrap import mean_statistics, means
from xmer_spark.evaluation.groups import missing
from xmer_spark.names import direction_name, metric_name, pair_name, recall_at
from xmer_spark.steps.evaluate.held_out import HeldOut
from xmer_spark.steps.evaluate.intervals import Intervals
from xmer_spark.store.runs import Metric

#: (modality, embeddings (n, k), modality, embeddings (m, k)) -> how alike they are, (n, m).
Similarity = Callable[[str, np.ndarray, str, np.ndarray], np.ndarray]


def metrics(
    known: HeldOut,
    similarity: Similarity,
    pairs: Collection[str],
    truth: str,
    recalls: Sequence[int],
    intervals: Intervals,
) -> Iterator[Metric]:
    """MAP, Recall@K and the class of the first result, by query and gallery; ``truth`` is entity or label.

    Only modality ``pairs`` that ``similarity`` knows are ranked, and only directions in which some query
    has a true match are measured.
    """
    for (query, a), (gallery, b) in permutations(known.by_source().items(), 2):
        if pair_name(a.modality[0], b.modality[0]) not in pairs:
            continue
        labels = getattr(a, truth), getattr(b, truth)
        ranked = ranking.rank(_by_pair(similarity, a, b), *labels, recall_at=recalls)
        if not len(ranked.query):
            continue
        about = direction_name(query, gallery)
        values = np.column_stack([ranked.average_precision, *ranked.recall.values()])
        statistics = mean_statistics(values, a.entity[ranked.query])
        names = ["map", *map(recall_at, ranked.recall)]
        counts = {"queries": len(ranked.query), "gallery": len(b.key)}
        yield from intervals.metrics(names, about, statistics, means, **counts)
        yield from first_result(about, a.label[ranked.query], b.label[ranked.first])
        # What the common space is worth by itself: the pair scorer ranks by more than this.
        by_space = ranking.rank(ranking.inner_product(a.embeddings, b.embeddings), *labels)
        yield Metric(metric_name("map_of_space", about), float(by_space.average_precision.mean()))


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


def _by_pair(similarity: Similarity, queries: HeldOut, gallery: HeldOut) -> ranking.Similarity:
    """How alike some of the queries and the whole gallery are."""

    def similar(rows: np.ndarray) -> np.ndarray:
        a, b = queries.modality[0], gallery.modality[0]
        return similarity(a, queries.embeddings[rows], b, gallery.embeddings)

    return similar
