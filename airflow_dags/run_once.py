"""Run the DAG once, to its end, on the bundled set: what `make airflow` does.

Started with the Python of Airflow's environment. Everything that the run writes lies under
`.airflow/`, which every run starts anew: Airflow's database and logs, the warehouse, the
models and the report. The exit status is not 0 unless every task succeeded.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".airflow"
DAG_ID = "xmer_resolution"
#: What the jobs themselves say, among all that Airflow and Spark log.
MESSAGE = re.compile(r"\] (\d\d:\d\d:\d\d  .*?|xmer: .*?)\s*(?:\[airflow\.|$)")
#: Keeps the run apart from what the user has in the warehouse.
APART = (
    f"warehouse.path={HOME / 'warehouse'}",
    f"tracking.uri=sqlite:///{HOME / 'mlflow.db'}",
    f"tracking.artifacts={HOME / 'mlartifacts'}",
    f"report.path={HOME / 'report.html'}",
)


def environment_of(python: Path) -> dict[str, str]:
    """The variables that an Airflow worker needs, for jobs run by this Python."""
    spark = spark_home(python)
    return {
        **os.environ,
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "airflow_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / 'airflow.db'}",
        "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps({"conn_type": "spark", "host": "local[2]"}),
        "SPARK_HOME": str(spark),
        "PATH": os.pathsep.join([str(spark / "bin"), os.environ["PATH"]]),
        "XMER_PROJECT": str(ROOT),
        "XMER_PYTHON": str(python),
        "XMER_CONFIG": "conf/demo.toml",
        "XMER_RETRIES": "0",
    }


def spark_home(python: Path) -> Path:
    """The Spark of the pipeline's environment: Airflow's own has a client only, with no spark-submit."""
    where = "import importlib.util as u; print(u.find_spec('pyspark').submodule_search_locations[0])"
    return Path(subprocess.check_output([python, "-c", where], text=True).strip())  # noqa: S603


def run_logged(command: list[str | Path], variables: dict[str, str], log: Path) -> int:
    """Run a command with its output in a file, showing what the jobs say; returns the exit status."""
    with (
        log.open("w", buffering=1) as file,
        subprocess.Popen(  # noqa: S603
            command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        for line in process.stdout or ():
            file.write(line)
            if message := MESSAGE.search(line):
                print(message[1], flush=True)
    return process.returncode


def table(tasks: list[dict[str, str]]) -> str:
    """The tasks' states and durations, in the order in which they ran."""
    in_order = sorted(tasks, key=lambda task: task["start_date"] or "~")
    rows = [("task", "state", "seconds")]
    rows += [(task["task_id"], task["state"] or "not run", seconds(task)) for task in in_order]
    return "\n".join(f"{name:<10} {state:<16} {took:>8}" for name, state, took in rows)


def seconds(task: dict[str, str]) -> str:
    if not (task["start_date"] and task["end_date"]):
        return ""
    took = datetime.fromisoformat(task["end_date"]) - datetime.fromisoformat(task["start_date"])
    return f"{took.total_seconds():.1f}"


def states(airflow: Path, logical_date: str, variables: dict[str, str]) -> list[dict[str, str]]:
    """What became of each task of the run; nothing where the run did not even start."""
    command = [str(airflow), "tasks", "states-for-dag-run", DAG_ID, logical_date, "--output", "json"]
    found = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    return json.loads(found.stdout) if found.returncode == 0 else []


def tail(log: Path, lines: int = 40) -> str:
    return "\n".join(log.read_text("utf-8").splitlines()[-lines:])


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the DAG once, to its end, on the bundled set.")
    parser.add_argument("--environment", type=Path, required=True, help="the pipeline's virtual environment")
    python = Path.cwd() / parser.parse_args().environment / "bin" / "python"
    if not python.exists():
        sys.exit(f"xmer: no {python}; `make airflow` sets up the pipeline's environment first")
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    airflow = Path(sys.executable).parent / "airflow"
    variables = environment_of(python)
    log = HOME / "run.log"
    print(f"Airflow runs {DAG_ID} once; all that it says is in {log}", flush=True)
    if run_logged([airflow, "db", "migrate"], variables, HOME / "migrate.log"):
        sys.exit(f"xmer: Airflow could not set up its database; see {HOME / 'migrate.log'}")

    now = datetime.now(UTC).isoformat()
    conf = json.dumps({"set": APART})
    status = run_logged([airflow, "dags", "test", DAG_ID, now, "--conf", conf], variables, log)
    tasks = states(airflow, now, variables)
    print(f"\n{table(tasks)}")
    if status or {task["state"] for task in tasks} != {"success"}:
        print(f"\n{tail(log)}", file=sys.stderr)
        sys.exit(f"xmer: the DAG did not run to its end; what it said last is above, and the rest in {log}")


if __name__ == "__main__":
    main()
