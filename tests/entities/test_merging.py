"""The best value of each field, worked out by hand for each rule, however the work is divided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pyspark.sql import functions as F

from tests.frames import SAID, rows_of
from xmer_spark.config import ValueRule
from xmer_spark.entities.merging.stage import Merging, merged

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PLACED = "record_key bigint, record_id string, source string, cluster bigint, strength bigint"
#: Record id, cluster, strength, what it says, and the sizes of its pictures.
Row = tuple[str, int, int | None, Mapping[str, str | None], Mapping[str, int]]


def frames_of(spark: SparkSession, rows: list[Row]) -> tuple[DataFrame, DataFrame]:
    placed = [(n, name, name.split("/")[0], *rest[:2]) for n, (name, *rest) in enumerate(rows)]
    said = [(n, dict(values), dict(sizes)) for n, (*_, values, sizes) in enumerate(rows)]
    return spark.createDataFrame(placed, PLACED), spark.createDataFrame(said, SAID)


def chosen(
    spark: SparkSession, rows: list[Row], trust: list[str], **rules: str | dict[str, str]
) -> dict[Any, dict[str, tuple[str, str]]]:
    """The value and the record of each field, by cluster."""
    placed, said = frames_of(spark, rows)
    checked = {name: ValueRule.model_validate(rule) for name, rule in rules.items()}
    values = merged(placed, Merging(said, checked, trust))
    found = rows_of(values.withColumn("names", F.map_keys("values")), "cluster")
    assert all(row["names"] == sorted(row["value_records"]) for row in found.values())
    return {
        cluster: {name: (value, row["value_records"][name]) for name, value in row["values"].items()}
        for cluster, row in found.items()
    }


def test_the_most_frequent_value_wins_and_is_told_by_its_best_record(spark: SparkSession) -> None:
    rows: list[Row] = [
        ("erp/1", 1, 9, {"colour": "blue", "maker": "Acme"}, {}),
        ("shop/1", 1, 2, {"colour": "red", "maker": "Borealis"}, {}),
        ("shop/2", 1, 3, {"colour": "red"}, {}),
        ("shop/3", 1, 3, {"colour": "red"}, {}),
        ("shop/4", 2, None, {"colour": "blue"}, {}),
        ("shop/5", 2, None, {"colour": "blue"}, {}),
    ]
    found = chosen(spark, rows, ["erp", "shop"], colour="most_frequent", maker="most_frequent")
    assert found == {
        1: {"colour": ("red", "shop/2"), "maker": ("Acme", "erp/1")},
        2: {"colour": ("blue", "shop/4")},
    }


def test_trust_comes_before_connection_and_connection_before_the_id(spark: SparkSession) -> None:
    rows: list[Row] = [
        ("gone/1", 1, 99, {"a": "unknown", "d": "only"}, {}),
        ("shop/1", 1, 9, {"a": "shop", "b": "weak", "c": "first"}, {}),
        ("shop/2", 1, 10, {"b": "strong"}, {}),
        ("shop/3", 1, 9, {"c": "second"}, {}),
        ("erp/9", 1, None, {"a": "erp"}, {}),
    ]
    rules = dict.fromkeys("abcd", "most_trusted")
    found = chosen(spark, rows, ["erp", "shop"], **rules)
    assert found[1] == {
        "a": ("erp", "erp/9"), "b": ("strong", "shop/2"), "c": ("first", "shop/1"), "d": ("only", "gone/1")
    }  # fmt: skip
    assert chosen(spark, rows, ["shop", "erp"], a="most_trusted")[1] == {"a": ("shop", "shop/1")}


def test_the_newest_value_goes_by_the_date_of_its_own_record(spark: SparkSession) -> None:
    rows: list[Row] = [
        ("erp/1", 1, 1, {"price": "5"}, {}),
        ("erp/2", 1, 1, {"price": "6", "updated": "1969"}, {}),
        ("shop/1", 1, 1, {"price": "7", "updated": "2024-02", "title": "a"}, {}),
        ("shop/2", 1, 1, {"price": "8", "updated": "2024-02-03"}, {}),
        ("shop/3", 1, 1, {"updated": "2025"}, {}),
        ("shop/4", 2, 1, {"price": "2"}, {}),
        ("erp/4", 2, 1, {"price": "3"}, {}),
        ("erp/5", 3, 1, {"price": "4"}, {}),
        ("shop/5", 3, 1, {"price": "1", "updated": "1969-12-31"}, {}),
    ]
    newest = {"rule": "newest", "by": "updated"}
    found = chosen(spark, rows, ["erp", "shop"], price=newest)
    assert {key: row["price"] for key, row in found.items()} == {
        1: ("8", "shop/2"), 2: ("3", "erp/4"), 3: ("1", "shop/5")
    }  # fmt: skip


def test_the_longest_text_and_the_largest_picture_are_taken(spark: SparkSession) -> None:
    rows: list[Row] = [
        ("erp/1", 1, 1, {"title": "äöü", "photo": "erp/1#photo"}, {}),
        ("shop/1", 1, 1, {"title": "a lamp", "photo": "shop/1#photo"}, {"photo": 900}),
        ("shop/2", 1, 1, {"title": "four", "photo": "shop/2#photo"}, {"photo": 1000}),
        ("shop/3", 1, 5, {"title": "A LAMP", "note": "no rule"}, {}),
        ("shop/4", 2, 1, {}, {}),
    ]
    found = chosen(spark, rows, ["erp", "shop"], title="longest", photo="best_picture")
    assert found == {1: {"title": ("A LAMP", "shop/3"), "photo": ("shop/2#photo", "shop/2")}}


def test_where_no_field_has_a_value_there_are_none(spark: SparkSession) -> None:
    assert chosen(spark, [("erp/1", 1, 1, {"title": "a"}, {})], ["erp"]) == {}


@pytest.mark.parametrize("parts", [1, 5])
def test_values_are_those_of_a_plain_search_however_the_work_is_divided(
    spark: SparkSession, parts: int
) -> None:
    random = np.random.default_rng(3)
    rows: list[Row] = []
    for n, number in enumerate(random.permutation(200).tolist()):
        said_of_x = {"x": "uvw"[random.integers(3)]}
        rows.append((f"{'ab'[number % 2]}/{number}", n % 23, int(random.integers(3)), said_of_x, {}))
    placed, said = frames_of(spark, rows)
    rules = {"x": ValueRule(rule="most_frequent")}
    merging = Merging(said.repartition(parts), rules, ["b", "a"])
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", parts)
    try:
        found = rows_of(merged(placed.repartition(parts), merging), "cluster")
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", before)
    assert len(found) == 23
    for cluster, row in found.items():
        mine = [(name, strength, said["x"]) for name, c, strength, said, _ in rows if c == cluster]
        counts = {value: sum(v == value for *_, v in mine) for value in "uvw"}
        best = min(mine, key=lambda each: (-counts[str(each[2])], each[0] < "b", -(each[1] or 0), each[0]))
        assert (row["values"]["x"], row["value_records"]["x"]) == (best[2], best[0])
