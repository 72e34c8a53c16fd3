"""Blocking of records on Spark against the plain one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from tests.blocking.records.test_joint import keyed
from tests.blocking.records.world import blocker, products
from xmer_spark.blocking.records.base import Records
from xmer_spark.blocking.records.joint import all_pairs
from xmer_spark.blocking.records.stage import _tuned, candidate_pairs, fitted_plan, record_blocks
from xmer_spark.errors import ConfigError
from xmer_spark.numerics import arrow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SHOP, WEB = products(70, 1, things=50), products(60, 2, first_key=1)
SOURCES = {"shop": SHOP, "web": WEB}
PAYLOAD = {"shop": ["name", "photo/code"], "web": ["thing", "model"]}
Pairs = dict[tuple[int, int], int]


@pytest.fixture(scope="module")
def records(spark: SparkSession) -> DataFrame:
    tables = [
        records.table.append_column("source", pa.array([source] * len(records.keys)))
        for source, records in SOURCES.items()
    ]
    return spark.createDataFrame(pa.concat_tables(tables)).repartition(3).cache()


def found(blocks: DataFrame) -> dict[tuple[str, str], Pairs]:
    """The pairs of keys and their blockers, after checking each row against the records it came from."""
    result: dict[tuple[str, str], Pairs] = {}
    for row in blocks.collect():
        pairs = []
        for side in ("left", "right"):
            records = SOURCES[row[f"{side}_source"]]
            keys = np.frombuffer(row[f"{side}_keys"], np.int64)
            index = np.frombuffer(row[f"{side}_index"], np.int32)
            payload = pa.ipc.open_stream(row[f"{side}_payload"]).read_all()
            assert np.array_equal(np.unique(index), np.arange(len(keys)))
            own = records.table.take(np.searchsorted(records.keys, keys))
            columns = sorted(PAYLOAD[row[f"{side}_source"]])
            assert payload.column_names == columns
            assert payload.to_pylist() == own.select(columns).to_pylist()
            pairs.append(keys[index].tolist())
        numbers = np.frombuffer(row.blocker, np.int32).tolist()
        assert len(numbers) == row.pairs
        lot = dict(zip(zip(*pairs, strict=True), numbers, strict=True))
        seen = result.setdefault((row.left_source, row.right_source), {})
        assert len(lot) == row.pairs
        assert not seen.keys() & lot.keys()
        seen |= lot
    return result


def plain(names: list[str], left: Records, right: Records | None) -> Pairs:
    other = left if right is None else right
    blockers = [blocker(name).fit(left, other) for name in names]
    return keyed(all_pairs(blockers, left, right), left, other)


def test_the_spark_join_equals_the_plain_one(records: DataFrame) -> None:
    """All blockers together, of two sources and of one with itself; ``test_joint`` has other partitions."""
    names = ["rules", "codes", "canopy", "sorted_neighbourhood", "tokens", "nearest_codes"]
    within = ["tokens", "sorted_neighbourhood"]
    plan = {
        ("shop", "web"): [blocker(name) for name in names],
        ("shop", "shop"): [blocker(name) for name in within],
    }
    result = found(record_blocks(records, plan, 3, PAYLOAD))
    assert result == {("shop", "web"): plain(names, SHOP, WEB), ("shop", "shop"): plain(within, SHOP, None)}


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("radius", {"radius": 6, "substrings": 4}),
        ("scan", {"max_distance": 6 / 128}),
        ("bands", {"tables": 12, "bits": 18, "flips": 6, "max_distance": 6 / 128}),
        ("cells", {"cells": 4, "probes": 4, "max_distance": 6 / 128}),
    ],
)
def test_near_codes_are_those_of_brute_force(
    records: DataFrame, method: str, settings: dict[str, Any]
) -> None:
    """With settings that find all pairs within six bits, of two sources and of one with itself."""
    near = blocker("codes", method=method, settings=settings)
    plan = {("shop", "web"): [near], ("shop", "shop"): [near]}
    result = found(record_blocks(records, plan, 3, PAYLOAD))
    for pair in plan:
        left, right = (SOURCES[source] for source in pair)
        expected = {
            (a, b)
            for a, one in coded(left).items()
            for b, other in coded(right).items()
            if sum((x ^ y).bit_count() for x, y in zip(one, other, strict=True)) <= 6
            and (pair == ("shop", "web") or a < b)
        }
        assert expected
        assert result[pair].keys() == expected


def coded(records: Records) -> dict[int, list[int]]:
    """The words of the records that have a code, by key."""
    codes = records.table["photo/code"].to_pylist()
    pairs = zip(records.keys.tolist(), codes, strict=True)
    return {key: [word % 2**64 for word in code] for key, code in pairs if code}


def test_one_crowded_bucket_is_found_in_a_sample_and_shared_out(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xmer_spark.blocking.records.stage.MANY", 100)
    monkeypatch.setattr("xmer_spark.blocking.records.stage.SAMPLE", 200)
    codes = np.random.default_rng(0).integers(0, 2**64, (1200, 2), np.uint64)
    one = blocker("codes", method="bands", settings={"tables": 3, "bits": 12, "flips": 0})
    for position in one.blocker().samples(128)[1]:  # half of the records agree in one table
        codes[::2, position // 64] &= ~np.uint64(1 << int(position) % 64)
    keys = np.arange(1200)
    table = pa.table({"record_key": keys, "photo/code": arrow.lists(codes.view(np.int64))})
    left, right = Records(keys[:600], table[:600]), Records(keys[600:], table[600:])
    plan = {("left", "right"): [one.fit(left, right)]}
    source = pa.array(np.where(keys < 600, "left", "right"))
    frame = spark.createDataFrame(table.append_column("source", source)).cache()
    (tuned,) = _tuned(frame, plan, 4)["left", "right"]
    assert [len(buckets) for buckets in tuned.blocker().hot] == [0, 1, 0]  # type: ignore[attr-defined]
    blocks = record_blocks(frame, plan, 4, {"left": ["photo/code"], "right": ["photo/code"]})
    rows = candidate_pairs(blocks, plan).withColumn("partition", F.spark_partition_id()).collect()
    expected = keyed(all_pairs(plan["left", "right"], left, right), left, right)
    assert sorted((row.left_key, row.right_key) for row in rows) == sorted(expected)
    made = np.bincount([row.partition for row in rows])
    assert max(made) < 0.4 * sum(made)


def test_a_fitted_plan_is_used_as_it_is(records: DataFrame) -> None:
    plan = {("web", "shop"): [blocker("tokens", top=2)]}
    (fitted,) = fitted_plan(records, plan)["web", "shop"]
    expected = blocker("tokens", top=2).fit(WEB, SHOP)
    for name, value in expected.state().items():
        assert np.array_equal(fitted.state()[name], value)
    assert fitted_plan(records, {("web", "shop"): [fitted]})["web", "shop"] == [fitted]


def test_sources_without_records_have_no_candidates(records: DataFrame) -> None:
    none = records.where("source = 'shop'")
    plan = {("shop", "web"): [blocker(name) for name in ("rules", "tokens", "sorted_neighbourhood")]}
    assert record_blocks(none, plan, 2, PAYLOAD).count() == 0


def test_what_is_wrong_with_a_plan_is_told_before_it_runs(records: DataFrame) -> None:
    rules = [blocker("rules")]
    with pytest.raises(ConfigError, match="no blocker for sources 'shop' and 'web'"):
        record_blocks(records, {("shop", "web"): []}, 2, PAYLOAD)
    with pytest.raises(ConfigError, match="paired twice"):
        record_blocks(records, {("shop", "web"): rules, ("web", "shop"): rules}, 2, PAYLOAD)
    with pytest.raises(ConfigError, match="'colour'"):
        record_blocks(records, {("shop", "web"): rules}, 2, PAYLOAD | {"web": ["colour"]})
    sideways = [blocker("rules", rules=[["name~model"]])]
    with pytest.raises(ConfigError, match="'shop' with itself"):
        record_blocks(records, {("shop", "shop"): sideways}, 2, PAYLOAD)
