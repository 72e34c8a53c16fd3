"""What people say of records is checked and kept; nothing is kept of what contradicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.frames import table_of
from xmer_spark.config import load_config
from xmer_spark.errors import XmerError
from xmer_spark.schema import RECORDS
from xmer_spark.steps.decide.decisions import Saying, decide, read
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONFIG = """
name = "shop"
[warehouse]
path = "{folder}/warehouse"
[[source]]
name = "shop"
kind = "csv"
path = "shop.csv"
key = "id"
fields = {{name = {{type = "name"}}}}
"""
NAMES = [f"shop/{letter}" for letter in "abcd"]


@pytest.fixture(scope="module")
def context(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Context:
    """Four records of a shop, ingested."""
    folder = tmp_path_factory.mktemp("decide")
    (folder / "shop.toml").write_text(CONFIG.format(folder=folder))
    context = Context(load_config(folder / "shop.toml"))
    context.spark = spark
    rows = [
        {"record_id": name, "record_key": key, "source": "shop", "fields": {}, "content_hash": name}
        for key, name in enumerate(NAMES)
    ]
    with context.job("ingest", [], {}) as job:
        job.sync("records", table_of(spark, RECORDS, rows))
    return context


def said(*sayings: str) -> list[Saying]:
    """Each as "a same b"."""
    words = (saying.split() for saying in sayings)
    return [Saying.of(verdict, f"shop/{one}", f"shop/{other}") for one, verdict, other in words]


def kept(context: Context) -> set[tuple[str, ...]]:
    rows = Published(context.root).query("SELECT left_id, verdict, right_id FROM decisions").to_pylist()
    return {tuple(row.values()) for row in rows}


def test_what_is_said_last_of_a_pair_counts_until_it_is_withdrawn(context: Context) -> None:
    told = decide(context, said("b same a", "c different b"))
    assert told == "2 kept; the next resolution (xmer run) heeds it"
    assert kept(context) == {("shop/a", "same", "shop/b"), ("shop/b", "different", "shop/c")}
    assert decide(context, said("b same a", "c different b")).startswith("that was said before")
    assert decide(context, said("b same c", "a different b")).startswith("2 kept")
    assert kept(context) == {("shop/a", "different", "shop/b"), ("shop/b", "same", "shop/c")}
    assert decide(context, said("b withdraw a", "a same d")).startswith("1 kept, 1 withdrawn")
    assert kept(context) == {("shop/b", "same", "shop/c"), ("shop/a", "same", "shop/d")}
    before = kept(context)

    contradiction = "shop/a and shop/b cannot be different while shop/a = shop/d = shop/c = shop/b"
    with pytest.raises(XmerError, match=contradiction):
        decide(context, said("d same c", "a different b"))
    with pytest.raises(XmerError, match=r"no record shop/x, shop/y, shop/z and 1 more; a record is called"):
        decide(context, said("x same y", "z same zz", "a same b"))
    with pytest.raises(XmerError, match="nothing was said of shop/a and shop/c"):
        decide(context, said("a withdraw c"))
    assert kept(context) == before


def test_a_file_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "told.csv"
    file.write_text("verdict,left,right\nsame,shop/b,shop/a\n different ,shop/b, shop/c\n")
    assert read(file) == said("b same a", "b different c")
    file.write_text("verdict,left,right\nsame,shop/b,shop/a\nperhaps,shop/b,shop/c\n")
    with pytest.raises(XmerError, match=r"'perhaps' is none of same, different, withdraw .*line 3; nothing"):
        read(file)
    file.write_text("left,right\nshop/b,shop/a\n")
    with pytest.raises(XmerError, match="has no column verdict; it needs left, right, verdict"):
        read(file)
    with pytest.raises(XmerError, match="cannot be read as a CSV file"):
        read(tmp_path / "none.csv")


def test_a_record_is_not_decided_to_be_itself() -> None:
    with pytest.raises(XmerError, match="shop/a is one record; name two"):
        said("a same a")
