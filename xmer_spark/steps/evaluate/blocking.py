"""What blocking kept of the true pairs, and how many comparisons it spared, by pair of sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from xmer_spark.blocking.records import base as blocked
from xmer_spark.blocking.records.vocabulary import TokenBlocker
from xmer_spark.evaluation.blocking import reduction_ratio
from xmer_spark.names import metric_name
from xmer_spark.numerics.compared import equal_pairs
from xmer_spark.numerics.intervals import wilson
from xmer_spark.numerics.records import CODE, EMBEDDING, SURROUNDINGS, Records
from xmer_spark.steps.evaluate.held_out import HeldOut
from xmer_spark.store.runs import Metric

#: Columns that no blocker reads.
_NOT_READ = (EMBEDDING, SURROUNDINGS)


def blockable(records: Records, columns: Sequence[str]) -> blocked.Records:
    """The held-out records of a source as blockers read them, with all ``columns`` that the source has.

    One in which no held-out record has a value is NULL throughout.
    """
    import pyarrow as pa

    table = records.table().drop_columns([name for name in records.columns if name.endswith(_NOT_READ)])
    for name in columns:
        if name not in table.column_names and not name.endswith(_NOT_READ):
            kind = pa.list_(pa.int64()) if name.endswith(CODE) else pa.string()
            table = table.append_column(name, pa.nulls(len(records), kind))
    return blocked.Records(records.keys, table)


def kept(
    about: str,
    blockers: Sequence[blocked.RecordBlocker],
    left: blocked.Records,
    right: blocked.Records,
    known: HeldOut,
    level: float,
) -> Iterator[Metric]:
    """The share of the true pairs of two sources that some blocker proposes; nothing where there are none.

    ``right`` is ``left`` where a source is compared with itself. Nothing either where a blocker marks records
    or their tokens by all others, and cannot be asked about a pair alone.
    """
    if any(blocker.marked or isinstance(blocker, TokenBlocker) for blocker in blockers):
        return
    i, j = equal_pairs(known.of(left.keys).entity, known.of(right.keys).entity)
    if right is left:
        i, j = i[i < j], j[i < j]
    if len(i):
        proposed = _proposed(blockers, left, right, i, j)
        recall = wilson(int(proposed.sum()), len(i), level)
        yield Metric(metric_name("blocking_recall", about), *recall, detail={"pairs": len(i)})


def _proposed(
    blockers: Sequence[blocked.RecordBlocker],
    left: blocked.Records,
    right: blocked.Records,
    i: np.ndarray,
    j: np.ndarray,
) -> np.ndarray:
    """Whether any of the blockers proposes left records i and right records j: (p) bool."""
    found = np.zeros(len(i), dtype=bool)
    for blocker in blockers:
        rest = np.flatnonzero(~found)
        sides = blocker.prepare("left", left), blocker.prepare("right", right)
        found[rest] = blocker.meets(*sides, i[rest], j[rest])
    return found


def spared(about: str, candidates: int, possible: int) -> Metric:
    """The share of the comparisons of two sources that were spared."""
    return Metric(
        metric_name("blocking_reduction", about),
        reduction_ratio(candidates, possible),
        detail={"candidates": candidates, "possible": possible},
    )
