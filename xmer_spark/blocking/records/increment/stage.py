"""What some new, changed and gone records change of the candidate pairs, on Spark.

The few records come to the driver and are sent to wherever the others are: nothing is shuffled but new marks,
and no two records meet of which neither has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from xmer_spark.blocking.records.base import KEY
from xmer_spark.blocking.records.increment.marks import (
    BEST_OF_FEW,
    FRESH,
    NEW_MARKS,
    BestOfFew,
    Disturbed,
    Few,
    LeastOfFew,
)
from xmer_spark.blocking.records.increment.pairs import (
    ChangedBlocks,
    FewSides,
    Marks,
    NewMarks,
    moved,
    with_new,
)
from xmer_spark.blocking.records.ranked import Ranked
from xmer_spark.blocking.records.shipping import RecordPlan, by_source, marked_places
from xmer_spark.blocking.records.stage import columns_by_source, narrowed, with_marks
from xmer_spark.names import direction_name
from xmer_spark.schema import CHANGED_BLOCK

#: Records that are sent to all others, at most: where a change concerns more, all are joined with all.
MOST = 100_000


class Increment(NamedTuple):
    """What has changed: marks, as rows of ``marks_of``, and pairs, as blocks of ``schema.CHANGED_BLOCK``."""

    marks: DataFrame
    blocks: DataFrame


def can_be_followed(plan: RecordPlan) -> bool:
    """Whether what a change does to the candidates can be told from the records that it concerns.

    A place in an order is moved by every record that comes before it.
    """
    every = (blocker for blockers in plan.values() for blocker in blockers)
    return all(isinstance(blocker, Ranked) or not blocker.marked for blocker in every)


def increment(
    records: DataFrame,
    marks: DataFrame,
    fresh: DataFrame,
    departed: DataFrame,
    plan: RecordPlan,
    partitions: int,
    payload: Mapping[str, Sequence[str]],
) -> Increment | None:
    """The marks and candidate pairs that are others than before; None where a change concerns too many.

    ``records`` are all records as ``record_blocks`` has them, and ``marks`` those of ``marks_of`` for the
    records of before; ``fresh`` has the record_key of each that came or changed since, and ``departed`` are
    those that changed or left, as they were. The blockers of ``plan`` are fitted, and can be followed.
    """
    columns = columns_by_source(records, plan, payload)
    came = F.broadcast(fresh.select(KEY, F.lit(True).alias(FRESH)))
    ready = with_marks(narrowed(records, columns), marks, plan).join(came, KEY, "left")
    ready = ready.withColumn(FRESH, F.coalesce(FRESH, F.lit(False)))
    ready = ready.localCheckpoint(eager=False, storageLevel=StorageLevel.DISK_ONLY)
    few, old = _few(ready.where(F.col(FRESH))), _few(narrowed(departed, columns))
    if few is None or old is None:
        return None
    new: NewMarks = {}
    if any(marked_places(plan)):
        disturbed = _disturbed(ready, plan, pa.concat_tables([few.select(old.column_names), old]))
        if disturbed is None:
            return None
        few = pa.concat_tables([few, disturbed])
        new = _new_marks(ready, plan, few, partitions)
    few = with_new(few, plan, new)
    few = few.filter(moved(few, plan))
    context, carried = records.sparkSession.sparkContext, {s: sorted(set(payload[s])) for s in columns}
    sent = context.broadcast(FewSides(by_source(few), plan))
    pairs = ChangedBlocks(sent, context.broadcast(new), plan, carried)
    rows = records.sparkSession.createDataFrame(_rows(plan, new, few[KEY].to_numpy()))
    return Increment(rows, ready.mapInArrow(pairs, CHANGED_BLOCK))


def _few(records: DataFrame) -> pa.Table | None:
    """The records on the driver; None where they are too many."""
    table = records.limit(MOST + 1).toArrow()
    return None if len(table) > MOST else table


def _disturbed(ready: DataFrame, plan: RecordPlan, few: pa.Table) -> pa.Table | None:
    sent = ready.sparkSession.sparkContext.broadcast(Few(by_source(few)))
    return _few(ready.mapInArrow(Disturbed(sent, plan), ready.schema))


def _new_marks(ready: DataFrame, plan: RecordPlan, few: pa.Table, partitions: int) -> NewMarks:
    """The marks of a few records, found among all."""
    sent = ready.sparkSession.sparkContext.broadcast(Few(by_source(few)))
    best = ready.mapInArrow(BestOfFew(sent, plan, partitions), BEST_OF_FEW)
    least = best.repartitionById(partitions, "destination").mapInArrow(LeastOfFew(plan), NEW_MARKS).toArrow()
    found = {}
    for number, place in marked_places(plan):
        mine = pc.and_(pc.equal(least["pair"], number), pc.equal(least["place"], place))
        own = least.filter(mine).sort_by(KEY)
        found[number, place] = Marks(own[KEY].to_numpy(), own["mark"].to_numpy())
    return found


def _rows(plan: RecordPlan, new: NewMarks, keys: np.ndarray) -> pa.Table:
    """The new marks of these records, as rows of ``marks_of``."""
    names = [direction_name(*pair) for pair in plan]
    parts = [_none()]
    for (number, place), (own, mark) in new.items():
        kept = np.isin(own, keys)
        count = int(kept.sum())
        columns = [own[kept], [names[number]] * count, np.full(count, place, np.int32), mark[kept]]
        parts.append(pa.table(columns, schema=_none().schema))
    # Spark takes no row after a chunk of none.
    return pa.concat_tables(parts).combine_chunks()


def _none() -> pa.Table:
    types = {KEY: pa.int64(), "pair": pa.string(), "place": pa.int32(), "mark": pa.int64()}
    return pa.table({name: pa.array([], type_) for name, type_ in types.items()})
