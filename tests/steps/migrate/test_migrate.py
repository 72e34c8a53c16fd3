"""A warehouse of version 1 becomes one of today's: what people must not lose is there afterwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F

from jobs.ingest import ingest
from tests.frames import table_of
from tests.steps.migrate import version_1
from tests.steps.migrate.version_1 import COLUMNS, image_of, text_of
from xmer_spark.config import load_config
from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.features import stage
from xmer_spark.schema import MATCHES, VERSION
from xmer_spark.steps.extract.extraction import configured
from xmer_spark.steps.migrate.migration import CARRIED, migrate
from xmer_spark.steps.resolve.publish import publish
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CONFIG = """
name = "things"
[warehouse]
path = "{folder}/warehouse"
[extract]
image = ["colour"]
[[source]]
name = "photos"
kind = "csv"
path = "{folder}/photos.csv"
key = "id"
fields.image = {{type = "image", file = "{{id}}.png"}}
[[source]]
name = "names"
kind = "csv"
path = "{folder}/names.csv"
key = "id"
fields.text = {{type = "text"}}
[[source]]
name = "rows"
kind = "csv"
path = "{folder}/rows.csv"
key = "id"
fields.price = {{type = "number"}}
[[source]]
name = "{shop}"
kind = "csv"
path = "{folder}/shop.csv"
key = "id"
[source.fields]
photo = {{type = "image", file = "{{id}}.png"}}
title = {{type = "text"}}
{more}
"""
#: The records of today, and the entity of each.
MEMBERS = {
    "photos/a": "e-a", "names/1": "e-a", "shop/x": "e-a", "photos/b": "e-b", "rows/7": "e-b",
    "names/2": "e-2", "shop/y": "e-y",
}  # fmt: skip


def context_of(spark: SparkSession, folder: Path, shop: str = "shop", more: str = "") -> Context:
    config = folder / "things.toml"
    config.write_text(CONFIG.format(folder=folder, shop=shop, more=more))
    context = Context(load_config(config))
    context.spark = spark
    return context


@pytest.fixture(scope="module")
def before(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a warehouse of version 1 and the sources that it was made of."""
    folder = tmp_path_factory.mktemp("before")
    for name in "abxy":
        (folder / f"{name}.png").write_bytes(image_of(name))
    (folder / "photos.csv").write_text("id\na\nb\n")
    (folder / "names.csv").write_text(f"id,text\n1,{text_of('names/1')}\n2,{text_of('names/2')}\n")
    (folder / "rows.csv").write_text("id,price\n7,7\n")
    titles = [f"{key},{text_of(f'shop_titles/{key}')}\n" for key in "xy"]
    (folder / "shop.csv").write_text("id,title\n" + "".join(titles))
    (colour,) = (e for e in configured(context_of(spark, folder).config) if e.modality == "image")
    version_1.write(spark, folder / "warehouse", colour.identity())
    return folder


@pytest.fixture(scope="module")
def after(spark: SparkSession, before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, migrated."""
    folder = copy_of(before, tmp_path_factory.mktemp("after"))
    said = migrate(context_of(spark, folder))
    assert "7 records, 7 items, 3 features, 7 members, 4 entities, 2 entity events" in said
    return folder


def copy_of(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to, dirs_exist_ok=True))


def tables_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What is published, each table's rows in order."""
    tables = Published(str(folder / "warehouse"))
    names = (*COLUMNS, "records")
    return {n: sorted(tables.query(f"FROM {n}").to_pylist(), key=str) for n in names if n in tables.versions}


def seen_by_version_1(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What an xmer of version 1 reads: the versions that finished runs name."""
    root = folder / "warehouse"
    assert json.loads((root / "_version.json").read_text()) == {"tables": 1}
    runs = DeltaTable(str(root / "runs")).to_pyarrow_table().to_pylist()
    finished = sorted((run for run in runs if run["status"] == "finished"), key=lambda run: run["finished"])
    versions = {name: version for run in finished for name, version in run["outputs"]}
    tables = {n: DeltaTable(str(root / n), version=v).to_pyarrow_table() for n, v in versions.items()}
    return {name: sorted(table.to_pylist(), key=str) for name, table in tables.items()}


def test_records_and_items_are_those_that_the_sources_give(after: Path) -> None:
    tables = tables_of(after)
    assert {row["record_id"]: row["fields"] for row in tables["records"]} == {name: [] for name in MEMBERS}
    assert {(row["split"], row["label"], row["entity"]) for row in tables["records"]} == {
        ("train", "label", "thing")
    }
    assert {row["item_id"]: (row["field"], row["text"]) for row in tables["items"]} == {
        "photos/a": ("image", None), "photos/b": ("image", None), "shop/x#photo": ("photo", None),
        "names/1": ("text", text_of("names/1")), "names/2": ("text", text_of("names/2")),
        "shop/x#title": ("title", text_of("shop_titles/x")),
        "shop/y#title": ("title", text_of("shop_titles/y")),
    }  # fmt: skip


def test_entities_keep_their_ids_their_records_and_their_history(after: Path) -> None:
    tables = tables_of(after)
    assert {row["record_id"]: row["entity_id"] for row in tables["members"]} == MEMBERS
    entities = {row["entity_id"]: row for row in tables["entities"]}
    assert {name: row["size"] for name, row in entities.items()} == {"e-a": 3, "e-b": 2, "e-2": 1, "e-y": 1}
    a, b = entities["e-a"], entities["e-b"]
    assert a["sources"] == ["names", "photos", "shop"]
    assert dict(a["representatives"]) == {"image": "shop/x#photo", "text": "shop/x#title"}
    assert (b["modalities"], a["first_run"], a["title"]) == (["image"], "resolve-0", "title of e-a")
    assert a["values"] is a["value_records"] is None  # until the next run
    kinds = {(row["kind"], row["records_before"], row["records_after"]) for row in tables["entity_events"]}
    assert kinds == {("created", 0, 2), ("grown", 2, 4)}


def test_runs_and_metrics_stay_and_what_is_made_anew_is_empty(before: Path, after: Path) -> None:
    old, new = seen_by_version_1(before), tables_of(after)
    assert new["metrics"] == old["metrics"]
    assert [run["status"] for run in new["runs"]].count("finished") == 3
    assert (new["embeddings"], new["matches"]) == ([], [])
    assert [(row["key"], row["field"]) for row in new["rejects"]] == [("9", None)]


def test_the_next_run_finds_features_and_entities_again(
    spark: SparkSession, after: Path, tmp_path: Path
) -> None:
    context = context_of(spark, copy_of(after, tmp_path))
    before_it = tables_of(tmp_path)
    ingest(context)
    with context.job("extract", ["records", "items", "features"], {}) as job:
        lacking = stage.missing(job.read("items"), job.read("features"), configured(context.config)[:1])
        assert [row.item_id for row in lacking.collect()] == ["shop/y#photo"]  # it had no picture before
        assert stage.outdated(job.read("items"), job.read("features")).isEmpty()
    with context.job("resolve", ["records", "items"], {}) as job:
        entity = F.element_at(
            F.create_map(*(F.lit(x) for pair in MEMBERS.items() for x in pair)), F.col("record_id")
        )
        clusters = job.read("records").select("record_key", F.xxhash64(entity).alias("cluster"))
        publish(job, clusters, table_of(spark, MATCHES, []), None)
    tables = tables_of(tmp_path)
    assert {row["record_id"]: row["entity_id"] for row in tables["members"]} == MEMBERS
    assert tables["entity_events"] == before_it["entity_events"]
    values = {row["entity_id"]: dict(row["values"]) for row in tables["entities"]}
    titles = {f"shop/{key}": text_of(f"shop_titles/{key}") for key in "xy"}
    assert values["e-y"] == {"photo": "shop/y#photo", "title": titles["shop/y"]}
    assert values["e-b"] == {"image": "photos/b", "price": "7"}
    hashes = {row["record_id"]: row["content_hash"] for row in before_it["records"]}
    same = {row["record_id"] for row in tables["records"] if row["content_hash"] == hashes[row["record_id"]]}
    assert same == {"photos/a", "photos/b", "names/1", "names/2", "shop/x"}


@pytest.mark.parametrize("last", ["members", "runs"])
def test_a_killed_migration_leaves_version_1_as_it_was_and_is_repeated(
    spark: SparkSession, before: Path, after: Path, tmp_path: Path, last: str
) -> None:
    """What a kill may leave behind: one of several tables was just emptied, or only the stamp is missing."""
    folder = copy_of(before, tmp_path)
    done = ["records", "items", "features", "members"] if last == "members" else [*COLUMNS, "records"]
    for name in done:
        shutil.rmtree(folder / "warehouse" / name, ignore_errors=True)
        shutil.copytree(after / "warehouse" / name, folder / "warehouse" / name)
    if last == "members":
        undo_last_commit(folder / "warehouse" / "members")
    assert seen_by_version_1(folder) == seen_by_version_1(before)
    migrate(context_of(spark, folder))
    repeated, expected = tables_of(folder), tables_of(after)
    del repeated["runs"], expected["runs"]
    assert repeated == expected


def undo_last_commit(table: Path) -> None:
    """The table as it was before its last commit: made anew, and without rows."""
    commits = table / "_delta_log"
    number = max(commits.glob("*.json")).stem
    for file in [each for each in commits.iterdir() if number in each.name]:
        file.unlink()
    assert DeltaTable(str(table)).to_pyarrow_table().num_rows == 0


def test_every_version_that_was_is_carried_over() -> None:
    assert list(CARRIED) == list(range(1, VERSION))


def test_there_is_nothing_to_migrate_twice_or_where_nothing_is(
    spark: SparkSession, after: Path, tmp_path: Path
) -> None:
    assert "no tables here" in migrate(context_of(spark, tmp_path))
    files = sorted((after / "warehouse").rglob("*"))
    assert f"of version {VERSION}; there is nothing to migrate" in migrate(context_of(spark, after))
    assert sorted((after / "warehouse").rglob("*")) == files


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"shop": "store"}, "has no source of that name"),
        ({"more": 'back = {type = "image", file = "{id}.png"}'}, "has 2 such fields, photo, back"),
    ],
)
def test_what_has_no_place_is_refused_before_anything_is_written(
    spark: SparkSession, before: Path, tmp_path: Path, changed: Mapping[str, str], said: str
) -> None:
    folder = copy_of(before, tmp_path)
    with pytest.raises(ConfigError, match=said):
        migrate(context_of(spark, folder, **changed))
    assert seen_by_version_1(folder) == seen_by_version_1(before)
    assert not (folder / "warehouse" / "records").exists()


def test_two_old_items_cannot_become_one(spark: SparkSession, before: Path, tmp_path: Path) -> None:
    folder = copy_of(before, tmp_path)
    items = folder / "warehouse" / "items"
    twice: DataFrame = spark.read.format("delta").load(str(items)).where("item_id = 'shop_titles/x'")
    again = twice.withColumn("item_id", F.lit("shop_titles/z")).withColumn("item_key", F.xxhash64("item_id"))
    again.write.format("delta").mode("append").save(str(items))
    spark.sql(f"UPDATE delta.`{folder}/warehouse/runs` SET outputs = map('items', 2L) WHERE job = 'ingest'")
    with pytest.raises(XmerError, match="shop/x#title would be one"):
        migrate(context_of(spark, folder))
