"""The whole path on a slice of the bundled data: published once, repeated, changed, and killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.slices import QUICK, TO_ENTITIES, run_all
from xmer_spark.cli import JOBS
from xmer_spark.config import Config, load_config
from xmer_spark.errors import XmerError
from xmer_spark.steps.decide.decisions import Saying, decide
from xmer_spark.store.publication import published_versions
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROOT = Path(__file__).resolve().parent.parent


class Pipeline:
    """What ``xmer run`` has resolved in a folder, in the tests' own session."""

    def __init__(self, folder: Path, spark: SparkSession) -> None:
        self.folder = folder
        self.file = folder / "demo.toml"
        self.spark = spark

    def config(self, *replacements: str) -> Config:
        return load_config(self.file, replacements)

    def run(self, *jobs: str, replacements: Sequence[str] = ()) -> Context:
        return run_all(self.config(*replacements), jobs or JOBS)

    def versions(self) -> dict[str, int]:
        context = Context(self.config())
        return {name: context.warehouse.version(name) for name in Published(context.root).versions}


@pytest.fixture(scope="module")
def pipeline(spark: SparkSession, command_run: Path) -> Pipeline:
    return Pipeline(command_run, spark)


def rows(frame: DataFrame) -> list[Any]:
    dicts = (row.asDict(recursive=True) for row in frame.collect())
    return sorted(json.dumps(row, default=str, sort_keys=True) for row in dicts)


def test_every_record_is_in_one_entity(pipeline: Pipeline) -> None:
    warehouse = Context(pipeline.config()).warehouse
    records, members = (warehouse.read(name) for name in ("records", "members"))
    assert records.count() == members.count() == members.select("record_id").distinct().count() == 320


def test_the_report_shows_entities_that_are_published(pipeline: Pipeline) -> None:
    text = (pipeline.folder / "report.html").read_text("utf-8")
    entities = Context(pipeline.config()).warehouse.read("entities").where("size > 1")
    shown = re.findall(r'data-search="(\S+) ', text)
    assert len(shown) == len(set(shown)) > 20
    assert set(shown) <= {row["entity_id"] for row in entities.collect()}


def test_no_entity_holds_two_records_of_a_source_that_has_each_thing_once(pipeline: Pipeline) -> None:
    members = Context(pipeline.config()).warehouse.read("members")
    assert members.groupBy("entity_id", "source").count().where("count > 1").isEmpty()


def test_a_second_run_writes_no_new_version_of_any_table(pipeline: Pipeline) -> None:
    before = pipeline.versions()
    pipeline.run()
    assert pipeline.versions() == before


def test_the_published_tables_are_queried_without_spark(pipeline: Pipeline) -> None:
    published = Published(pipeline.config().warehouse.path)
    found = published.query("SELECT count(*) AS n, sum(size) AS records FROM entities").to_pylist()[0]
    assert found["records"] == published.query("SELECT count(*) AS n FROM records").to_pylist()[0]["n"]
    with pytest.raises(XmerError, match="tables: "):
        published.query("SELECT * FROM nothing")


def test_the_registered_model_encodes_raw_items_as_the_pipeline_does(pipeline: Pipeline) -> None:
    import mlflow
    import numpy as np
    import pandas as pd

    config = pipeline.config()
    mlflow.set_tracking_uri(config.tracking.uri)
    model = mlflow.pyfunc.load_model(f"models:/{config.tracking.model}@champion")
    warehouse = Context(config).warehouse
    item = warehouse.read("items").where("modality = 'text'").orderBy("item_id").first()
    stored = warehouse.read("embeddings").where(f"item_key = {item['item_key']}").first()
    answer = model.predict(pd.DataFrame({"modality": ["text"], "text": [item["text"]]}))
    np.testing.assert_allclose(answer["embedding"][0], stored["embedding"], atol=1e-5)
    assert list(answer["code"][0]) == list(stored["code"])


def test_a_job_without_its_inputs_says_what_to_run_first(pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(XmerError, match="records, items not published yet"):
        pipeline.run("extract", replacements=[f"warehouse.path={tmp_path}/none"])


def test_a_run_killed_in_the_middle_ends_in_the_same_tables(pipeline: Pipeline, tmp_path: Path) -> None:
    elsewhere = before_resolve(pipeline, tmp_path / "warehouse")
    # Half published: members are written, entities and events are not.
    kill_when_written(pipeline.file, elsewhere, "members")
    killed = pipeline.run("resolve", replacements=[f"warehouse.path={elsewhere}"])
    whole = Context(pipeline.config())
    for name in ("embeddings", "matches", "members", "entities", "entity_events"):
        assert rows(killed.warehouse.read(name)) == rows(whole.warehouse.read(name)), name


def before_resolve(pipeline: Pipeline, to: Path) -> Path:
    """A copy of the warehouse as it was when nothing was resolved: what came later is not in its logs."""
    runs = [run for run in Context(pipeline.config()).runs() if run.job in ("ingest", "extract", "train")]
    versions = {**published_versions(runs), "runs": len(runs)}
    shutil.copytree(pipeline.folder / "warehouse", to)
    for table in (each for each in to.iterdir() if (each / "_delta_log").is_dir()):
        if table.name not in versions:
            shutil.rmtree(table)
            continue
        for file in (table / "_delta_log").iterdir():
            commit = re.search(r"\d{20}", file.name)
            if commit and int(commit[0]) > versions[table.name]:
                file.unlink()
    return to


def kill_when_written(config: Path, warehouse: Path, table: str) -> None:
    """Start resolve as its own process and kill it, with its JVM, as soon as a table has rows."""
    quick = ", ".join(f'"{key}" = "{value}"' for key, value in QUICK.items())
    settings = [
        "--config",
        str(config),
        "--set",
        f"warehouse.path={warehouse}",
        "--set",
        f"spark.conf={{{quick}}}",
    ]
    command = [sys.executable, "jobs/resolve.py", *settings]
    process = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    commit = warehouse / table / "_delta_log" / f"{1:020d}.json"
    deadline = time.monotonic() + 240
    while not commit.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, "resolve ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert commit.exists()


@pytest.fixture
def copy(pipeline: Pipeline, tmp_path: Path) -> Pipeline:
    """A copy to change; models lie where they were registered, which no test writes to twice."""
    folder = tmp_path / "copy"
    shutil.copytree(pipeline.folder, folder, ignore=shutil.ignore_patterns("mlartifacts"))
    config = folder / "demo.toml"
    config.write_text(config.read_text("utf-8").replace(str(pipeline.folder), str(folder)), "utf-8")
    return Pipeline(folder, pipeline.spark)


def test_a_changed_text_changes_only_what_depends_on_it(copy: Pipeline) -> None:
    path = copy.folder / "cldr.parquet"
    table = pq.read_table(path)
    row = table["split"].to_pylist().index("test")
    key, texts = table["key"][row].as_py(), table["text"].to_pylist()
    texts[row] = "a text that nobody has written before"
    pq.write_table(table.set_column(table.schema.get_field_index("text"), "text", pa.array(texts)), path)
    before, model = copy.versions(), Context(copy.config()).last_run("resolve").model_version
    context = copy.run(*TO_ENTITIES)
    warehouse = context.warehouse
    for name in ("items", "features", "embeddings"):
        changed = (
            warehouse.spark.read.format("delta")
            .option("readChangeFeed", "true")
            .option("startingVersion", before[name] + 1)
            .load(warehouse.path(name))
        )
        assert {r["item_id"] for r in changed.collect()} == {f"cldr/{key}"}, name
    assert context.last_run("resolve").model_version == model


def test_what_people_decide_is_heeded_by_every_resolution_from_then_on(pipeline: Pipeline) -> None:
    published = Published(pipeline.config().warehouse.path)
    members = published.query("SELECT record_id, entity_id FROM members ORDER BY record_id").to_pylist()
    before = {row["record_id"]: row["entity_id"] for row in members}
    sizes = Counter(before.values())
    one, other, *_ = sorted(r for r, e in before.items() if e == max(sizes, key=lambda e: (sizes[e], e)))
    rest = (record for record, entity in before.items() if entity != before[one])
    first, second = sorted(record for record in rest if record.startswith("cldr/"))[:2]  # each thing once

    decide(Context(pipeline.config()), [Saying.of("different", one, other), Saying.of("same", first, second)])
    pipeline.run("resolve")
    published = Published(pipeline.config().warehouse.path)
    members = published.query("SELECT record_id, entity_id FROM members").to_pylist()
    after = {row["record_id"]: row["entity_id"] for row in members}
    assert after[one] != after[other]
    assert after[first] == after[second]
    touched = {before[record] for record in (one, other, first, second)}
    moved = [r for r, entity in before.items() if entity not in touched and after[r] != entity]
    assert len(moved) < len(before) / 10  # what weak links connect with them may be divided anew
    told = published.query("SELECT value, detail FROM current_metrics WHERE name = 'decisions'").to_pylist()
    assert [(row["value"], json.loads(row["detail"])) for row in told] == [(2, {"not_heeded": 0})]
