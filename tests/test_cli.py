"""The command line as a person uses it: a run, the same run again, and what was published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from click.testing import CliRunner

from tests.slices import assert_resolved, xmer_run
from xmer_spark.cli import main
from xmer_spark.config import load_config
from xmer_spark.errors import XmerError
from xmer_spark.steps.decide.decisions import Saying, read
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


def test_an_entity_is_found_by_its_id_and_a_single_resolution_has_none_to_compare_with(folder: Path) -> None:
    warehouse = load_config(folder / "demo.toml").warehouse.path
    entity = Published(warehouse).query("SELECT entity_id FROM entities LIMIT 1")[0][0].as_py()
    assert entity in ask(folder, "where", entity)
    done = CliRunner().invoke(main, ["diff", "--config", str(folder / "demo.toml")])
    assert "there is no resolution before that one" in done.output


def test_pairs_to_review_are_written_to_be_filled_in_and_given_back(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "review.csv"
    assert "5 pairs: fill in verdict" in ask(folder, "review", "--most", "5", "--output", str(file))
    rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    assert len(rows) == 5
    assert rows["put_right"].astype(float).is_monotonic_decreasing
    assert rows["left"][0] in ask(folder, "review", "--most", "1")
    with pytest.raises(XmerError, match=r"no row of .* has a verdict"):
        read(file)
    rows.loc[2, "verdict"] = "different"
    rows.to_csv(file, index=False)
    assert read(file) == [Saying.of("different", rows["left"][2], rows["right"][2])]


@pytest.mark.parametrize("said", [["same", "a/1"], [], ["same", "a/1", "a/2", "--file", "told.csv"]])
def test_a_decision_is_of_two_records_or_of_a_file(said: list[str]) -> None:
    done = CliRunner().invoke(main, ["decide", *said])
    assert done.exit_code == 2
    assert "give a verdict and two records, or --file" in done.output


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
