"""The certificate: drawn records are scored with all others; no pair is forgotten, and none is invented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from tests.steps.train import unlabelled
from xmer_spark.numerics.records import Records
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.described import collected
from xmer_spark.steps.resolve.certify import Question, drawn, pairs_above
from xmer_spark.steps.train.trainer import train

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Found = set[tuple[str, int, int, int]]
LIMIT = 0.5


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Resolver:
    config = unlabelled.rows_config(tmp_path_factory.mktemp("certify"))
    return train(config, unlabelled.two_shops()).resolver


def shops() -> dict[str, Records]:
    return {name: known.records for name, known in unlabelled.two_shops().known.items()}


def described(spark: SparkSession, records: dict[str, Records]) -> DataFrame:
    tables = [
        each.table().append_column("source", pa.array([name] * len(each))) for name, each in records.items()
    ]
    return spark.createDataFrame(pa.concat_tables(tables, promote_options="default")).repartition(3)


def exhaustively(resolver: Resolver, left: Records, right: Records) -> Found:
    """All pairs of left and right records above the limit, as the certificate tells them."""
    probability = 1 / (1 + np.exp(-resolver.similarity(left, right)))
    i, j = np.nonzero((probability >= LIMIT) & (left.keys[:, None] != right.keys))
    pairs = zip(left.keys[i].tolist(), right.keys[j].tolist(), strict=True)
    return {("row-row", a, min(a, b), max(a, b)) for a, b in pairs}


def test_drawn_records_are_paired_with_every_record_of_the_other_source(
    spark: SparkSession, resolver: Resolver
) -> None:
    records = shops()
    chosen = {"shop": records["shop"].where(np.arange(0, 100, 3))}
    question = Question(chosen, [("shop", "web")], LIMIT)
    rows = pairs_above(described(spark, records), resolver, question).collect()
    found = {(row.pair, row.drawn, row.left_key, row.right_key) for row in rows}
    assert len(found) == len(rows) > 10
    assert found == exhaustively(resolver, chosen["shop"], records["web"])


def test_of_a_source_with_itself_no_record_is_its_own_match(spark: SparkSession, resolver: Resolver) -> None:
    records = {"shop": unlabelled.one_shop().known["shop"].records}
    chosen = {"shop": records["shop"].where(np.arange(0, 180, 5))}
    question = Question(chosen, [("shop", "shop")], LIMIT)
    rows = pairs_above(described(spark, records), resolver, question).collect()
    found = {(row.pair, row.drawn, row.left_key, row.right_key) for row in rows}
    assert all(row.left_key < row.right_key for row in rows)
    assert len(found) == len(rows) > 10
    assert found == exhaustively(resolver, chosen["shop"], records["shop"])


def test_limits_beyond_all_and_sources_that_are_not_asked_for_give_no_pairs(
    spark: SparkSession, resolver: Resolver
) -> None:
    records = shops()
    frame = described(spark, records)
    nothing = Question(records, [("shop", "web")], 1.1)
    assert pairs_above(frame, resolver, nothing).isEmpty()
    assert pairs_above(frame, resolver, Question(records, [("shop", "gone")], LIMIT)).isEmpty()
    assert pairs_above(frame, resolver, Question({}, [("shop", "web")], LIMIT)).isEmpty()


def test_large_squares_are_scored_in_parts(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    records = shops()
    question = Question(records, [("shop", "web")], LIMIT)
    whole = pa.Table.from_batches(question.above(resolver, records["web"]))
    monkeypatch.setattr("xmer_spark.steps.resolve.certify._BLOCK", 700)
    parts = list(question.above(resolver, records["web"]))
    assert len(parts) == 15
    assert pa.Table.from_batches(parts).combine_chunks() == whole.combine_chunks()


def test_the_same_records_are_drawn_however_they_lie_and_about_so_many(spark: SparkSession) -> None:
    keys = pa.table({"record_key": np.arange(4000), "source": pa.array(["shop"] * 4000)})
    titled = keys.append_column("title", pa.array(["x"] * 4000))
    frame = spark.createDataFrame(titled)
    found = collected(drawn(frame, 0.1))["shop"]
    assert 300 < len(found) < 500
    assert np.array_equal(collected(drawn(frame.repartition(5), 0.1))["shop"].keys, found.keys)
    assert np.isin(found.keys, collected(drawn(frame, 0.3))["shop"].keys).all()
    assert not collected(drawn(frame, 0.0))
