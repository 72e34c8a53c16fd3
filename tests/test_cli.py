"""The command line as a person uses it: a run, the same run again, and what was published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.slices import assert_resolved, xmer_run
from xmer_spark.cli import main
from xmer_spark.config import load_config
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Lines that a whole run may print where nothing is wrong.
MOST_LINES = 25


@pytest.fixture
def folder(command_run: Path) -> Path:
    """Where everything was run once."""
    return command_run


def ask(folder: Path, *arguments: str) -> str:
    """What a command about the published tables prints."""
    done = CliRunner().invoke(main, [*arguments, "--config", str(folder / "demo.toml")])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_run_tells_its_flow_and_nothing_else(folder: Path) -> None:
    said = (folder / "said").read_text().splitlines()
    assert len(said) <= MOST_LINES
    first = next(line for line in said if "finished in" in line)
    assert "ingest: finished" in first
    assert sum("finished in" in line for line in said) == 6
    assert not [line for line in said if "WARN" in line or "INFO" in line]
    assert f"The report: {(folder / 'report.html').as_uri()}" in said


def test_the_demo_s_configuration_has_resolved_every_record(spark: SparkSession, folder: Path) -> None:
    assert_resolved(Context(load_config(folder / "demo.toml")))
    assert (folder / "report.html").is_file()


def test_the_log_has_what_spark_and_the_workers_say(folder: Path) -> None:
    log = (folder / "xmer.log").read_text("utf-8")
    assert "Using Spark's default log4j profile" in log
    assert "extract, partition 0 done" in log


def test_the_same_run_again_does_nothing_and_needs_no_spark(folder: Path) -> None:
    log = folder / "xmer.log"
    before = log.stat().st_size
    said = xmer_run(folder)
    assert said.count("nothing to do") == 6
    assert "Spark" not in log.read_bytes()[before:].decode()


def test_an_entity_is_shown_with_its_records_its_links_and_its_history(folder: Path) -> None:
    warehouse = load_config(folder / "demo.toml").warehouse.path
    entity = Published(warehouse).query("SELECT entity_id FROM entities WHERE size > 1 LIMIT 1")[0][0].as_py()
    records = Published(warehouse).query("SELECT record_id FROM members WHERE entity_id = $1", [entity])
    shown = ask(folder, "show", entity)
    assert all(record in shown for record in records["record_id"].to_pylist())
    assert [part for part in ("Entity", "Records", "Links", "History", "created") if part not in shown] == []


def test_an_entity_that_is_not_there_is_an_error(folder: Path) -> None:
    done = CliRunner().invoke(main, ["show", "e-none", "--config", str(folder / "demo.toml")])
    assert done.exit_code == 1
    assert "there is no entity 'e-none'" in done.output


def test_metrics_and_queries_answer_as_json(folder: Path) -> None:
    names = {row["name"] for row in json.loads(ask(folder, "metrics", "--json"))}
    assert {"pair_f1/all", "validation_score"} <= names
    counted = json.loads(ask(folder, "query", "SELECT count(*) AS records FROM records", "--json"))
    assert counted == [{"records": 320}]


def test_runs_are_listed_with_the_last_first(folder: Path) -> None:
    listed = ask(folder, "runs")
    assert listed.index("report") < listed.index("ingest")
    assert listed.count("finished") >= 6


def test_a_configuration_that_is_not_there_is_one_sentence() -> None:
    done = CliRunner().invoke(main, ["runs", "--config", "no-such-file.toml"])
    assert done.exit_code == 1
    assert done.output.startswith("xmer: no-such-file.toml")
    assert done.output.count("\n") == 1
