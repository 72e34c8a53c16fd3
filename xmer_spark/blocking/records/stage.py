"""Blocking of records on Spark: records -> blocks of candidate pairs.

What travels between tasks is blocks, not rows: a task sends each partition that one of its records can meet
a pair in a single row with all these records (``shipping``). There the blockers join them in memory
(``meeting``). The marks of blockers that have some are found before (``marking``) and joined to the records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import isqrt
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from xmer_spark.blocking.base import Side
from xmer_spark.blocking.records import method_name
from xmer_spark.blocking.records.base import KEY, SOURCE, RecordBlocker, Records
from xmer_spark.blocking.records.codes import Codes
from xmer_spark.blocking.records.joint import check_symmetric, columns_of
from xmer_spark.blocking.records.marking import BEST, MARKS, BestOfCell, Least, ShipToGrid
from xmer_spark.blocking.records.meeting import RecordBlocks
from xmer_spark.blocking.records.ranked import Ranked
from xmer_spark.blocking.records.shipping import (
    SHIP_BYTES,
    SHIPMENT,
    RecordPlan,
    ShipRecords,
    arrow_schema,
    by_source,
    joined,
    mark_column,
    sides_in,
)
from xmer_spark.blocking.records.sorted_neighbourhood import SortedNeighbourhood
from xmer_spark.blocking.records.vocabulary import Counts, TokenBlocker
from xmer_spark.errors import ConfigError
from xmer_spark.names import direction_name
from xmer_spark.schema import RECORD_BLOCK

#: Records of a side from which blockers learn that learn from a sample.
SAMPLE = 10_000
#: Records of either side from which on a sample shows how their codes are spread.
MANY = 200_000
#: Parts of an order that are sorted each by itself.
PARTS = 256

_PAIRS = "left_key bigint, right_key bigint, blocker string"
_COUNTS = "bucket int, count bigint"
_MARKS = "record_key bigint, pair string, place int, mark bigint"
_SORT_KEYS = "record_key bigint, by string, part int"


def record_blocks(
    records: DataFrame,
    plan: RecordPlan,
    partitions: int,
    payload: Mapping[str, Sequence[str]],
    marks: DataFrame | None = None,
) -> DataFrame:
    """The candidate pairs between pairs of sources, as rows of ``schema.RECORD_BLOCK``.

    ``records`` has record_key, source, text fields as string columns, and codes as ``<field>/code``. ``plan``
    has the blockers of each pair of sources in their order; those that are not fitted are fitted first. A
    source paired with itself is joined with itself: each pair once, its left key the lesser. ``payload``
    names the columns that travel with the records of each source. Which pairs are candidates does not depend
    on ``partitions``; more of these need less memory each. The records are read several times where a blocker
    has to be fitted or has marks; they are best stored or cached. ``marks`` are those that ``marks_of`` finds
    for these records and the plan, where they are known.
    """
    _check(records, plan, payload)
    plan = _tuned(records, fitted_plan(records, plan), partitions)
    if marks is None:
        marks = marks_of(records, plan, partitions)
    columns = columns_by_source(records, plan, payload)
    carried = {source: sorted(set(payload[source])) for source in columns}
    ready = with_marks(narrowed(records, columns), marks, plan)
    taken = {source: [*own, *_mark_columns(plan, source)] for source, own in columns.items()}
    shipments = ready.mapInArrow(ShipRecords(plan, partitions, taken), SHIPMENT)
    sent = shipments.repartitionById(partitions, "destination")
    return sent.mapInArrow(RecordBlocks(plan, partitions, carried), RECORD_BLOCK)


def candidate_pairs(blocks: DataFrame, plan: RecordPlan) -> DataFrame:
    """The pairs of ``schema.RECORD_BLOCK`` rows, one a row: the lesser key, the greater, and the blocker.

    The blocker is called by its method; ``plan`` is that which made the blocks.
    """
    names = {pair: [method_name(blocker) for blocker in blockers] for pair, blockers in plan.items()}
    return blocks.mapInArrow(NamePairs(names), _PAIRS)


@dataclass(frozen=True)
class NamePairs:
    """Arrow batches of ``schema.RECORD_BLOCK`` rows -> their pairs, by the names of the plan's blockers."""

    names: Mapping[tuple[str, str], Sequence[str]]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                yield self._named(row)

    def _named(self, row: Mapping[str, Any]) -> pa.RecordBatch:
        a, b = (
            np.frombuffer(row[f"{side}_keys"], np.int64)[np.frombuffer(row[f"{side}_index"], np.int32)]
            for side in ("left", "right")
        )
        names = np.array(self.names[row["left_source"], row["right_source"]], object)
        blocker = pa.array(names[np.frombuffer(row["blocker"], np.int32)], pa.string())
        columns = [pa.array(np.minimum(a, b)), pa.array(np.maximum(a, b)), blocker]
        return pa.RecordBatch.from_arrays(columns, schema=arrow_schema(_PAIRS))


def fitted_plan(records: DataFrame, plan: RecordPlan) -> dict[tuple[str, str], list[RecordBlocker]]:
    """The plan with every blocker fitted to these records, those that are already as they are.

    Frequencies of tokens are counted in Spark, and what blockers keep of them is bounded; what can be learnt
    from a sample is, from one that depends on the records' keys alone.
    """
    return {
        pair: [blocker if blocker.fitted else _fitted(records, pair, blocker) for blocker in blockers]
        for pair, blockers in plan.items()
    }


def _fitted(records: DataFrame, pair: tuple[str, str], blocker: RecordBlocker) -> RecordBlocker:
    of_left, of_right = (
        _of(records, [source], _read(records, [blocker], side)) for source, side in _sides(pair)
    )
    left, right = _sample(of_left), _sample(of_right)
    if not isinstance(blocker, TokenBlocker):
        return blocker.fit(left, right)
    within = pair[0] == pair[1]
    counts = _counts(of_left, blocker, "left")
    others = counts if within else _counts(of_right, blocker, "right")
    return blocker.fit_counts(counts, others, within).fit_sample(left, right)


def _tuned(records: DataFrame, plan: RecordPlan, partitions: int) -> RecordPlan:
    """The plan with the blockers of codes made faster where both sources have many records."""
    if not any(isinstance(blocker, Codes) for blockers in plan.values() for blocker in blockers):
        return plan
    sizes = {row[SOURCE]: row["count"] for row in records.groupBy(SOURCE).count().collect()}
    return {
        pair: [
            _faster(records, pair, blocker, isqrt(sizes[pair[0]] * sizes[pair[1]]), partitions)
            if isinstance(blocker, Codes) and all(sizes.get(source, 0) >= MANY for source in pair)
            else blocker
            for blocker in blockers
        ]
        for pair, blockers in plan.items()
    }


def _faster(
    records: DataFrame, pair: tuple[str, str], blocker: Codes, size: int, partitions: int
) -> RecordBlocker:
    left, right = (
        _sample(_of(records, [source], _read(records, [blocker], side))) for source, side in _sides(pair)
    )
    return blocker.tuned(left, right, size, partitions)


def _sample(records: DataFrame) -> Records:
    drawn = records.orderBy(F.xxhash64(KEY), KEY).limit(SAMPLE).toArrow()
    table = drawn.sort_by(KEY).combine_chunks()
    return Records(table[KEY].to_numpy(), table.drop_columns([SOURCE]))


def _counts(records: DataFrame, blocker: TokenBlocker, side: Side) -> Counts:
    """In how many of the records each token is: at most as many as there are buckets are collected."""
    parts = records.mapInArrow(CountTokens(blocker, side), _COUNTS)
    found = parts.groupBy("bucket").agg(F.sum("count").alias("count")).sort("bucket").toArrow()
    bucket, count = found["bucket"].to_numpy(), found["count"].to_numpy()
    size = count[bucket < 0].sum()  # the records themselves are counted under -1
    return Counts(bucket[bucket >= 0], count[bucket >= 0], int(size))


@dataclass(frozen=True)
class CountTokens:
    """Arrow batches of records of one source -> tokens and in how many of them each is."""

    blocker: TokenBlocker
    side: Side

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in joined(batches, SHIP_BYTES):
            for records in by_source(pa.Table.from_batches([batch])).values():
                counts = self.blocker.counted(self.side, records)
                bucket = np.append(counts.bucket, -1).astype(np.int32)
                columns = [pa.array(bucket), pa.array(np.append(counts.frequency, counts.size))]
                yield pa.RecordBatch.from_arrays(columns, schema=arrow_schema(_COUNTS))


def marks_of(records: DataFrame, plan: RecordPlan, partitions: int) -> DataFrame:
    """The marks of all records for the blockers of a fitted plan that have some.

    In rows of record_key, pair (the two sources), place (the blocker's in its list) and mark; a record that
    finds no other has none.
    """
    found = [
        _marks(records, pair, blocker, partitions).select(
            KEY, F.lit(direction_name(*pair)).alias("pair"), F.lit(place).alias("place"), "mark"
        )
        for pair, blockers in plan.items()
        for place, blocker in enumerate(blockers)
        if blocker.marked
    ]
    none = records.sparkSession.createDataFrame([], _MARKS)
    return reduce(DataFrame.union, found, none)


def with_marks(records: DataFrame, marks: DataFrame, plan: RecordPlan) -> DataFrame:
    """The records with a column of marks for each blocker that has some, from rows of ``marks_of``."""
    for number, (pair, blockers) in enumerate(plan.items()):
        for place, blocker in enumerate(blockers):
            if blocker.marked:
                column = mark_column(number, place)
                mine = (F.col("pair") == direction_name(*pair)) & (F.col("place") == place)
                own = marks.where(mine).select(KEY, F.col("mark").alias(column))
                records = records.join(own, KEY, "left").withColumn(
                    column, F.coalesce(_column(column), F.lit(blocker.unmarked).cast("bigint"))
                )
    return records


def _marks(records: DataFrame, pair: tuple[str, str], blocker: RecordBlocker, partitions: int) -> DataFrame:
    read = {column for _, side in _sides(pair) for column in _read(records, [blocker], side)}
    own = _of(records, pair, sorted(read))
    if isinstance(blocker, SortedNeighbourhood):
        return _places(own, pair, blocker)
    if not isinstance(blocker, Ranked):
        raise TypeError(f"blocking: how {type(blocker).__name__} finds its marks is not known here")
    cells = own.mapInArrow(ShipToGrid(pair, partitions), SHIPMENT).repartitionById(partitions, "destination")
    best = cells.mapInArrow(BestOfCell(blocker, pair, partitions), BEST)
    return best.repartitionById(partitions, "destination").mapInArrow(Least(blocker), MARKS)


def _places(records: DataFrame, pair: tuple[str, str], blocker: SortedNeighbourhood) -> DataFrame:
    """The place of each record in the order of both sources together, in rows of ``MARKS``.

    The order is cut into parts at what some of a sample are sorted by, and each part sorted by itself; how
    many records come before each is collected.
    """
    keys = records.mapInArrow(SortKeys(blocker, pair), _SORT_KEYS)
    drawn = sorted(row.by for row in keys.orderBy(F.xxhash64(KEY), KEY).limit(SAMPLE).collect())
    starts = tuple(drawn[:: max(1, -(-len(drawn) // PARTS))])
    keys = records.mapInArrow(SortKeys(blocker, pair, starts), _SORT_KEYS)
    counts = {row.part: row["count"] for row in keys.groupBy("part").count().collect()}
    before = np.cumsum([0, *(counts.get(part, 0) for part in range(len(starts)))]).tolist()
    inside = F.row_number().over(Window.partitionBy("part").orderBy("by", KEY))
    place = F.element_at(F.lit(before), F.col("part") + 1) + inside - 1
    return keys.select(KEY, place.cast("bigint").alias("mark"))


@dataclass(frozen=True)
class SortKeys:
    """Arrow batches of records -> what each is sorted by and in which part of the order that is.

    A part goes from one of the ``starts`` to the next; what comes before the first is part 0.
    """

    blocker: SortedNeighbourhood
    pair: tuple[str, str]
    starts: tuple[str, ...] = ()

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in joined(batches, SHIP_BYTES):
            for source, records in by_source(pa.Table.from_batches([batch])).items():
                by = self.blocker.sort_keys(sides_in(self.pair, source)[0], records)
                placed, strings = by.is_valid(), by.drop_null()
                sought = strings.to_numpy(zero_copy_only=False)
                part = np.searchsorted(np.array(self.starts, object), sought, side="right")
                columns = [pa.array(records.keys).filter(placed), strings, pa.array(part.astype(np.int32))]
                yield pa.RecordBatch.from_arrays(columns, schema=arrow_schema(_SORT_KEYS))


def _check(records: DataFrame, plan: RecordPlan, payload: Mapping[str, Sequence[str]]) -> None:
    for (left, right), blockers in plan.items():
        if not blockers:
            raise ConfigError(f"blocking: no blocker for sources {left!r} and {right!r}")
        if (right, left) in plan and left != right:
            raise ConfigError(f"blocking: sources {left!r} and {right!r} are paired twice; leave one out")
        check_symmetric(blockers, left == right, left)
        for source in (left, right):
            missing = [column for column in payload.get(source, ()) if column not in records.columns]
            if source not in payload or missing:
                what = f"has no column {missing[0]!r}" if missing else "is not named"
                raise ConfigError(f"blocking: payload of source {source!r}: it {what} among the records")


def _read(records: DataFrame, blockers: Sequence[RecordBlocker], side: Side) -> list[str]:
    """The columns that these blockers read of one side."""
    texts = [
        field.name
        for field in records.schema
        if isinstance(field.dataType, StringType) and field.name not in (KEY, SOURCE)
    ]
    return columns_of(blockers, side, texts)


def columns_by_source(
    records: DataFrame, plan: RecordPlan, payload: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """The columns of each source of the plan that its blockers read or the payload names, sorted."""
    return {
        source: sorted({*payload[source], *_read_of(records, plan, source)})
        for source in sorted({source for pair in plan for source in pair})
    }


def _read_of(records: DataFrame, plan: RecordPlan, source: str) -> set[str]:
    """The columns that the blockers of a plan read of one source."""
    return {
        column
        for pair, blockers in plan.items()
        for side in sides_in(pair, source)
        for column in _read(records, blockers, side)
    }


def narrowed(records: DataFrame, columns: Mapping[str, Sequence[str]]) -> DataFrame:
    """The records of the sources of ``columns_by_source``, with their keys, sources and all those columns."""
    return _of(records, list(columns), sorted({column for own in columns.values() for column in own}))


def _mark_columns(plan: RecordPlan, source: str) -> list[str]:
    """The columns of marks that records of one source need."""
    return [
        mark_column(number, place)
        for number, (pair, blockers) in enumerate(plan.items())
        for place, blocker in enumerate(blockers)
        if source in pair and blocker.marked
    ]


def _sides(pair: tuple[str, str]) -> tuple[tuple[str, Side], tuple[str, Side]]:
    return (pair[0], "left"), (pair[1], "right")


def _of(records: DataFrame, sources: Sequence[str], columns: Sequence[str]) -> DataFrame:
    """These columns of the records of some sources, with their keys and sources."""
    own = records.where(F.col(SOURCE).isin(list(sources)))
    return own.select(KEY, SOURCE, *(_column(column) for column in columns))


def _column(name: str) -> Column:
    """A column by its name, whatever signs are in it."""
    return F.col("`" + name.replace("`", "``") + "`")
