"""Candidate pairs that follow the records through a history, against all pairs made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from tests.blocking.records.test_joint import keyed
from tests.blocking.records.world import blocker, products
from xmer_spark.blocking.records.base import RecordBlocker, Records
from xmer_spark.blocking.records.increment import stage
from xmer_spark.blocking.records.joint import all_pairs
from xmer_spark.blocking.records.stage import marks_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

PAYLOAD = {"shop": ["name"], "web": ["model"]}
Pair = tuple[int, int]
Plan = dict[tuple[str, str], list[RecordBlocker]]


class World:
    """Records of two sources that come, change and leave at random; ``there`` says which are there."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.content = {"shop": products(90, 1, things=60), "web": products(80, 2, things=60, first_key=1)}
        self.there = {
            source: self.random.random(len(records.keys)) < 0.7 for source, records in self.content.items()
        }

    def now(self) -> dict[str, Records]:
        return {s: records.take(np.flatnonzero(self.there[s])) for s, records in self.content.items()}

    def change(self, share: float) -> None:
        """Some records leave, some come, and some say what another one of their source said."""
        for source, records in self.content.items():
            count = len(records.keys)
            self.there[source] ^= self.random.random(count) < share
            says = np.where(
                self.random.random(count) < share, self.random.integers(0, count, count), np.arange(count)
            )
            table = records.table.take(says).set_column(0, "record_key", pa.array(records.keys))
            self.content[source] = Records(records.keys, table)


def frame(spark: SparkSession, records: dict[str, Records]) -> DataFrame:
    tables = [own.table.append_column("source", pa.array([s] * len(own.keys))) for s, own in records.items()]
    return spark.createDataFrame(pa.concat_tables(tables)).repartition(2)


def candidates(plan: Plan, records: dict[str, Records]) -> dict[tuple[str, str], set[Pair]]:
    """All candidates, made anew."""
    found = {}
    for a, b in plan:
        other = records[b]
        pairs = all_pairs(plan[a, b], records[a], None if a == b else other)
        found[a, b] = set(keyed(pairs, records[a], other))
    return found


def rows_of(marks: DataFrame) -> dict[tuple[int, str, int], int]:
    return {tuple(row[:3]): row[3] for row in marks.collect()}


def differences(before: dict[str, Records], after: dict[str, Records]) -> tuple[set[int], set[int]]:
    """The keys of those that came or changed, and of those that left or changed."""
    old, new = (
        {row["record_key"]: row for r in x.values() for row in r.table.to_pylist()} for x in (before, after)
    )
    return (
        {key for key in new if new[key] != old.get(key)},
        {key for key in old if old[key] != new.get(key)},
    )


@pytest.mark.parametrize(
    ("names", "within"),
    [(["rules", "canopy"], ["rules"]), (["codes", "tokens", "nearest_codes"], ["tokens"])],
)
def test_what_changes_of_the_candidates_is_told_by_the_few_records_that_changed(
    spark: SparkSession, names: list[str], within: list[str]
) -> None:
    world = World(len(names))
    first = world.now()
    plan: Plan = {
        ("shop", "web"): [blocker(name).fit(first["shop"], first["web"]) for name in names],
        ("shop", "shop"): [blocker(name).fit(first["shop"], first["shop"]) for name in within],
    }
    marks = rows_of(marks_of(frame(spark, first), plan, 2))
    for share in (0.02, 0.1, 0.3):
        before = world.now()
        world.change(share)
        after = world.now()
        fresh, departed = differences(before, after)
        assert fresh
        assert departed
        then = frame(spark, before)
        found = stage.increment(
            frame(spark, after),
            spark.createDataFrame([(*key, mark) for key, mark in marks.items()],
                                  "record_key bigint, pair string, place int, mark bigint"),
            spark.createDataFrame([(key,) for key in fresh], "record_key bigint"),
            then.where(then["record_key"].isin(sorted(departed))),
            plan, 2, PAYLOAD,
        )  # fmt: skip
        assert found is not None
        marks = {key: mark for key, mark in marks.items() if key[0] not in departed} | rows_of(found.marks)
        assert marks == rows_of(marks_of(frame(spark, after), plan, 2))
        was, now = candidates(plan, before), candidates(plan, after)
        came, lost = {pair: set() for pair in plan}, {pair: set() for pair in plan}
        for row in found.blocks.collect():
            into = lost if row["lost"] else came
            mine = into[row["left_source"], row["right_source"]]
            pairs = pairs_in(row)
            assert len(pairs) == row["pairs"]
            assert not mine & pairs
            mine |= pairs
        for pair in plan:
            kept = {(a, b) for a, b in was[pair] if not {a, b} & departed}
            assert lost[pair] <= kept
            assert (kept - lost[pair]) | came[pair] == now[pair]
            assert not came[pair] & (kept - lost[pair])


def pairs_in(row: Row) -> set[Pair]:
    sides = (
        np.frombuffer(row[f"{side}_keys"], np.int64)[np.frombuffer(row[f"{side}_index"], np.int32)]
        for side in ("left", "right")
    )
    return set(zip(*(side.tolist() for side in sides), strict=True))


def test_a_place_in_an_order_cannot_be_followed() -> None:
    shop = products(20, 1)
    place = blocker("sorted_neighbourhood").fit(shop, shop)
    assert stage.can_be_followed({("shop", "shop"): [blocker("tokens")]})
    assert not stage.can_be_followed({("shop", "shop"): [blocker("tokens"), place]})
