"""The DAG as Airflow reads it, where Airflow is installed, and as anyone can read it, where not."""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest

from xmer_spark.cli import JOBS

ROOT = Path(__file__).resolve().parent.parent.parent
DAGS = ROOT / "airflow_dags"
DAG_FILE = DAGS / "xmer_resolution.py"
AIRFLOW_PYTHON = ROOT / ".venv-airflow" / "bin" / "python"

#: Another folder, a schedule and no retries, as an operator of Airflow may set them.
SETTINGS = {"XMER_SCHEDULE": "@hourly", "XMER_RETRIES": "0", "XMER_PROJECT": "/elsewhere"}
#: Run by Airflow's Python: the folder of DAGs as it stands, and again with the settings.
DESCRIBE = """
import json, os, sys
from airflow.dag_processing.dagbag import DagBag

def describe():
    bag = DagBag(sys.argv[1])
    found = {"errors": bag.import_errors, "dags": sorted(bag.dags)}
    for dag in bag.dags.values():
        tasks = dag.topological_sort()
        found |= {
            "tasks": {task.task_id: sorted(task.upstream_task_ids) for task in tasks},
            "applications": [task.application for task in tasks],
            "projects": [task.project for task in tasks],
            "retries": [task.retries for task in tasks],
            "have_timeouts": all(task.execution_timeout for task in tasks),
            "schedule": dag.schedule,
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "documented": bool(dag.doc_md),
        }
    return found

found = [describe()]
os.environ.update(json.loads(sys.argv[2]))
found.append(describe())
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What Airflow finds in the folder of DAGs: without settings, and with them."""
    if not AIRFLOW_PYTHON.exists():
        pytest.skip("Airflow is not installed here; `make airflow` installs it")
    home = tmp_path_factory.mktemp("airflow")
    variables = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    command = [str(AIRFLOW_PYTHON), "-c", DESCRIBE, str(DAGS), json.dumps(SETTINGS)]
    done = subprocess.run(command, env=variables, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("FOUND"))
    both: list[dict[str, Any]] = json.loads(line.removeprefix("FOUND"))
    return both


@pytest.fixture
def found(parsed: list[dict[str, Any]]) -> dict[str, Any]:
    return parsed[0]


def constant(path: Path, name: str) -> ast.expr:
    """What a module assigns to a name, read without running it."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node.value
    raise AssertionError(f"{path} has no {name}")


def test_the_dag_names_every_job_in_the_order_of_the_command_line() -> None:
    assert ast.literal_eval(constant(DAG_FILE, "JOBS")) == JOBS
    assert all((ROOT / "jobs" / f"{job}.py").is_file() for job in JOBS)


def test_every_setting_of_the_dag_is_in_its_documentation() -> None:
    text = ast.get_docstring(ast.parse(DAG_FILE.read_text("utf-8"))) or ""
    defaults = constant(DAG_FILE, "DEFAULTS")
    assert isinstance(defaults, ast.Dict)
    for key in defaults.keys:
        name = ast.literal_eval(key) if key else ""
        assert f"| `{name}` | `xmer_{name}` | `XMER_{name.upper()}` |" in text


def test_the_dag_file_asks_airflow_nothing_while_it_is_parsed() -> None:
    source = DAG_FILE.read_text("utf-8")
    assert not re.search(r"\bVariable\b.*\.get\(|get_connection|Connection\.get", source)


def test_the_run_apart_writes_nothing_outside_its_own_folder() -> None:
    from xmer_spark.config import load_config

    apart = runpy.run_path(str(DAGS / "run_once.py"))["APART"]
    config = load_config(ROOT / "conf" / "demo.toml", apart)
    places = [config.warehouse.path, config.tracking.artifacts, config.report.path]
    places.append(config.tracking.uri.removeprefix("sqlite:///"))
    assert {Path(place).parent for place in places} == {ROOT / ".airflow"}


def test_the_run_shows_what_the_jobs_say_and_not_what_airflow_and_spark_log() -> None:
    message = runpy.run_path(str(DAGS / "run_once.py"))["MESSAGE"]
    start = "2026-01-31T23:43:10.871404Z [info     ] "
    said = message.search(f"{start}23:43:10  ingest: run ingest-dfe4  [airflow.task.hooks] loc=hook.py:965\n")
    assert said[1] == "23:43:10  ingest: run ingest-dfe4"
    error = message.search(
        f"{start}xmer: conf/demo.toml: no such file [airflow.task.hooks] loc=hook.py:965\n"
    )
    assert error[1] == "xmer: conf/demo.toml: no such file"
    assert not message.search(f"{start}26/01/31 23:26:39 INFO JettyUtils: Start [airflow.task.hooks] loc=1\n")


def test_the_pins_of_airflow_are_plain_names_and_versions() -> None:
    pins = (DAGS / "constraints.txt").read_text("utf-8").splitlines()
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[0-9][0-9a-zA-Z.]*", pin) for pin in pins)
    assert {"apache-airflow==3.3.2", "apache-airflow-providers-apache-spark==6.3.4"} <= set(pins)


def test_airflow_parses_the_folder_without_errors_and_finds_one_dag(found: dict[str, Any]) -> None:
    assert found["errors"] == {}
    assert found["dags"] == ["xmer_resolution"]


def test_the_jobs_run_one_after_the_other(found: dict[str, Any]) -> None:
    before: list[list[str]] = [[], *([job] for job in JOBS[:-1])]
    assert found["tasks"] == dict(zip(JOBS, before, strict=True))
    assert found["applications"] == [f"jobs/{job}.py" for job in JOBS]


def test_runs_do_not_overlap_and_tasks_are_tried_again_within_a_time(found: dict[str, Any]) -> None:
    assert (found["schedule"], found["catchup"], found["max_active_runs"]) == ("@daily", False, 1)
    assert found["retries"] == [2] * len(JOBS)
    assert found["have_timeouts"]
    assert found["documented"]


def test_the_environment_sets_the_schedule_the_retries_and_the_project(parsed: list[dict[str, Any]]) -> None:
    _, found = parsed
    assert (found["schedule"], set(found["retries"])) == ("@hourly", {0})
    assert all("'/elsewhere'" in project for project in found["projects"])
