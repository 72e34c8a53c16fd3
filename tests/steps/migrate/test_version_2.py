"""A warehouse of version 2 becomes one of today's: nothing that is published changes, and values come."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from deltalake import DeltaTable
from pyspark.sql import functions as F

from tests.frames import table_of
from tests.steps.migrate import version_2
from tests.steps.migrate.version_2 import SAID
from xmer_spark.cli import main
from xmer_spark.config import load_config
from xmer_spark.errors import XmerError
from xmer_spark.schema import ENTITIES, MATCHES, VERSION
from xmer_spark.steps.migrate.migration import migrate
from xmer_spark.steps.resolve.publish import publish
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONFIG = """
name = "shops"
[warehouse]
path = "{folder}/warehouse"
[entities]
trust = ["shop"]
[entities.values]
price = {{rule = "newest", by = "updated"}}
"""
SOURCE = """
[[source]]
name = "{name}"
kind = "csv"
path = "{name}.csv"
key = "id"
fields = {{name = {{type = "name"}}, price = {{type = "number"}}, updated = {{type = "date"}}}}
"""


def context_of(spark: SparkSession, folder: Path, *replacements: str) -> Context:
    config = folder / "shops.toml"
    sources = "".join(SOURCE.format(name=name) for name in ("erp", "shop"))
    config.write_text(CONFIG.format(folder=folder) + sources)
    context = Context(load_config(config, replacements))
    context.spark = spark
    return context


@pytest.fixture(scope="module")
def before(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("before")
    version_2.write(context_of(spark, folder))
    return folder


@pytest.fixture(scope="module")
def after(spark: SparkSession, before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(before, tmp_path_factory.mktemp("after"), dirs_exist_ok=True))
    context = context_of(spark, folder)
    with pytest.raises(XmerError, match="`xmer migrate --config FILE` carries them over"):
        context.runs()
    assert f"carried over to version {VERSION}" in migrate(context)
    return folder


def seen_by_version_2(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What an xmer of version 2 reads: the columns that it knows of the versions that the runs name."""
    root = folder / "warehouse"
    runs = DeltaTable(str(root / "runs")).to_pyarrow_table().sort_by("finished").to_pylist()
    versions = {name: version for run in runs for name, version in run["outputs"]}
    tables = {n: DeltaTable(str(root / n), version=v).to_pyarrow_table() for n, v in versions.items()}
    return {
        name: sorted(table.drop_columns([c for c in NEW if c in table.column_names]).to_pylist(), key=str)
        for name, table in tables.items()
    }


NEW = ["values", "value_records"]


def resolve(context: Context) -> dict[str, list[dict[str, Any]]]:
    """Publish the records in the entities that they are in; returns entities, members and events."""
    entities = [F.lit(part) for name, entity, _ in SAID for part in (name, entity)]
    with context.job("resolve", ["records", "items"], context.config.entities.model_dump()) as job:
        entity = F.element_at(F.create_map(*entities), F.col("record_id"))
        clusters = job.read("records").select("record_key", F.xxhash64(entity).alias("cluster"))
        keys = sorted(row.record_key for row in job.read("records").where("record_id < 'shop/b'").collect())
        link = dict(zip(("left_key", "right_key"), keys, strict=True)) | {"probability": 0.9}
        publish(job, clusters, table_of(context.spark, MATCHES, [link]), None)
    tables = Published(context.root)
    return {
        name: tables.query(f"FROM {name} ORDER BY ALL").to_pylist()
        for name in ("entities", "members", "entity_events")
    }


def test_what_is_published_stays_and_has_no_values_yet(
    spark: SparkSession, before: Path, after: Path
) -> None:
    assert seen_by_version_2(after) == seen_by_version_2(before)
    tables = Published(str(after / "warehouse"))
    found = tables.query("SELECT entity_id, values, value_records FROM entities ORDER BY 1").to_pylist()
    empty = dict.fromkeys(NEW)
    assert found == [{"entity_id": "e-lamp", **empty}, {"entity_id": "e-vase", **empty}]
    context = context_of(spark, after)
    rows = context.warehouse.read("entities", tables.versions["entities"])
    assert rows.columns == ENTITIES.column_names
    assert rows.where("values IS NULL").count() == 2
    assert context.warehouse.read("entities").columns == ENTITIES.column_names


def said(folder: Path, *arguments: str) -> str:
    done = CliRunner().invoke(main, [*arguments, "--config", str(folder / "shops.toml")])
    assert done.exit_code == 0, done.output
    return done.output


def test_an_entity_without_values_is_shown(after: Path) -> None:
    assert "Values" in said(after, "show", "e-lamp")


def test_the_next_run_gives_values_and_another_rule_gives_others(
    spark: SparkSession, after: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(after, tmp_path / "copy"))
    old = seen_by_version_2(folder)
    tables = resolve(context_of(spark, folder))
    assert (tables["members"], tables["entity_events"]) == (old["members"], old["entity_events"])
    lamp, vase = tables["entities"]
    assert dict(lamp["values"]) == {"name": "lamp", "price": "7", "updated": "2025-03-01"}
    assert dict(lamp["value_records"]) == dict.fromkeys(("name", "price", "updated"), "shop/a")
    assert dict(vase["values"]) == {"name": "vase", "price": "3"}
    assert (lamp["entity_id"], lamp["first_run"]) == ("e-lamp", "resolve-0")
    assert lamp["last_run"] != "resolve-0"
    assert "2025-03-01 │ shop/a" in said(folder, "show", "e-lamp")
    assert "price: 7" in said(folder, "query", "SELECT values FROM entities")
    others = ("entities.values.price='most_trusted'", "entities.trust=['erp']")
    changed = resolve(context_of(spark, folder, *others))
    assert (changed["members"], changed["entity_events"]) == (old["members"], old["entity_events"])
    assert dict(changed["entities"][0]["values"]) == {"name": "Lamp", "price": "5", "updated": "2024-01"}
    assert changed["entities"][1] == vase
    published = Published(str(folder / "warehouse"))
    first = published.dataset("entities", 1).to_table().to_pylist()
    assert [row["values"] for row in first] == [None, None]


def test_a_killed_migration_leaves_version_2_as_it_was_and_is_repeated(
    spark: SparkSession, before: Path, after: Path, tmp_path: Path
) -> None:
    """Only the stamp may be missing: the columns come with one commit."""
    folder = Path(shutil.copytree(after, tmp_path / "copy"))
    stamp = folder / "warehouse" / "_version.json"
    stamp.write_text(json.dumps({"tables": 2}))
    assert seen_by_version_2(folder) == seen_by_version_2(before)
    files = sorted((folder / "warehouse").rglob("*"))
    migrate(context_of(spark, folder))
    assert json.loads(stamp.read_text()) == {"tables": VERSION}
    assert sorted((folder / "warehouse").rglob("*")) == files
