"""The job ingest over a small shop: what it writes and tells, and when it has nothing to do."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.ingest import ingest
from tests.pictures import noise
from tests.slices import PLACES
from xmer_spark.config import load_config
from xmer_spark.store.runs import Context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHOP = """
name = "shop"
[[source]]
name = "shop"
kind = "csv"
path = "{folder}/shop.csv"
key = "sku"
[source.fields]
photo = {{type = "image", file = "photos/{{sku}}.png"}}
price = {{type = "number"}}
[[truth]]
path = "{folder}/pairs.csv"
left = "a"
right = "b"
left_source = "shop"
right_source = "shop"
"""


def test_ingest_tells_what_it_left_out_and_notices_a_photograph_that_was_replaced(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(3):
        (tmp_path / "photos" / f"{number}.png").write_bytes(noise(number))
    (tmp_path / "shop.csv").write_text("sku,price\n0,1\n1,N/A\n2,cheap\n3,?\n")
    (tmp_path / "pairs.csv").write_text("a,b\n0,1\n2,7\n")
    config = tmp_path / "shop.toml"
    config.write_text(SHOP.format(folder=tmp_path) + PLACES.format(folder=tmp_path))
    context = Context(load_config(config))
    read = context.warehouse.read

    with caplog.at_level(logging.INFO, "xmer"):
        ingest(context)
    records = {row.record_id: row for row in read("records").collect()}
    assert {key: row.entity for key, row in records.items()} == {
        "shop/0": "shop/0", "shop/1": "shop/0", "shop/2": "shop/2",
    }  # fmt: skip
    assert read("items").count() == 3
    assert {(row.key, row.field, row.reason) for row in read("rejects").collect()} == {
        ("2", "price", "bad_value"), ("3", "photo", "missing_file"),
    }  # fmt: skip
    metrics = {row["name"]: row["value"] for row in read("metrics").collect()}
    assert metrics == {"null_values/shop/price": 2, "unknown_truth_keys/all": 1}
    assert any("name 1 records that are not there: shop/7" in message for message in caplog.messages)
    known = context.last_run("ingest").facts["known"]
    assert known["sources"] == {"shop": 3}

    ingest(context)
    assert len(context.runs()) == 1
    os.replace(tmp_path / "photos" / "2.png", tmp_path / "photos" / "0.png")
    (tmp_path / "photos" / "2.png").write_bytes(noise(9))
    ingest(context)
    assert len(context.runs()) == 2
    images = {row.item_id: bytes(row.image) for row in read("items").collect()}
    assert (images["shop/0"], images["shop/2"]) == (noise(2), noise(9))
    assert context.last_run("ingest").facts["known"]["truth"] != known["truth"]
