"""The jobs of xmer_spark as an Airflow DAG: ingest, extract, train, resolve, evaluate, report.

Each task runs `spark-submit jobs/<name>.py --config FILE` in the project's folder, with the
Python of the pipeline's environment. The workers need Airflow and its Spark provider only
(`constraints.txt`), `spark-submit` on `PATH` with `SPARK_HOME` to match, and a connection
`spark_default` whose host is the master (`local[2]`, `yarn`, `spark://host:7077`).

A setting is taken from the run's Param, else from the Airflow Variable, else from the
environment of the DAG processor, else it has its default:

| Param | Variable | environment | default |
|---|---|---|---|
| `project` | `xmer_project` | `XMER_PROJECT` | the folder above this file's |
| `python` | `xmer_python` | `XMER_PYTHON` | `.venv/bin/python` |
| `config` | `xmer_config` | `XMER_CONFIG` | `conf/demo.toml` |
| `driver_memory` | `xmer_driver_memory` | `XMER_DRIVER_MEMORY` | `4g` |

- `project` holds `jobs/`; relative paths, those in the configuration too, start there.
- `python` is the Python of the pipeline's environment.
- `driver_memory` is the memory of the Spark driver, which on a local master is all of Spark.
- The Param `set` lists replacements of single keys for one run, as in `["seed=11"]`.
- When the DAG runs and how often a task is tried again is for the environment alone to say:
  `XMER_SCHEDULE` (`@daily`) and `XMER_RETRIES` (2).

A job may be repeated at any time: one that has nothing to do writes nothing, and one that was
killed redoes its writes, which are the same. Publication is one at a time, so runs do not overlap.
With a driver in the cluster (deploy mode `cluster`), `project` and the configuration's paths must
be such that the driver finds them too.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowFailException

JOBS = ("ingest", "extract", "train", "resolve", "evaluate", "report")

DEFAULTS = {
    "project": str(Path(__file__).resolve().parent.parent),
    "python": ".venv/bin/python",
    "config": "conf/demo.toml",
    "driver_memory": "4g",
}


def setting(name: str) -> str:
    """The template of a setting, filled in when the task runs: a DAG file is parsed every few seconds."""
    fallback = os.environ.get(f"XMER_{name.upper()}", DEFAULTS[name])
    return f"{{{{ params.{name} or var.value.get('xmer_{name}', {fallback!r}) }}}}"


class JobOperator(SparkSubmitOperator):
    """One job, submitted in the project's folder, with the run's replacements of single keys."""

    template_fields = (*SparkSubmitOperator.template_fields, "project", "python")

    def __init__(self, *, project: str, python: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.python = python

    def execute(self, context: Any) -> None:
        if not Path(self.project, self.application).is_file():
            raise AirflowFailException(
                f"{self.project} has no {self.application}; set the Variable xmer_project, or XMER_PROJECT, "
                f"to the folder of the project"
            )
        self.env_vars = {"PYSPARK_PYTHON": str(Path(self.project, self.python))}
        for replacement in context["params"]["set"]:
            self.application_args = [*self.application_args, "--set", replacement]
        with contextlib.chdir(self.project):
            super().execute(context)


with DAG(
    "xmer_resolution",
    description="Which images, texts and table rows are one thing: from sources to entity tables",
    doc_md=__doc__,
    tags=["xmer", "spark", "entity-resolution"],
    schedule=os.environ.get("XMER_SCHEDULE", "@daily"),
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={
        **{name: Param(None, type=["null", "string"], title=name.replace("_", " ")) for name in DEFAULTS},
        "set": Param([], type="array", items={"type": "string"}, description="SECTION.KEY=VALUE, one a line"),
    },
    default_args={
        "retries": int(os.environ.get("XMER_RETRIES", "2")),
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(hours=6),
    },
) as dag:
    previous = None
    for job in JOBS:
        task = JobOperator(
            task_id=job,
            name=f"xmer {job}",
            project=setting("project"),
            python=setting("python"),
            application=f"jobs/{job}.py",
            application_args=["--config", setting("config")],
            conf={"spark.driver.memory": setting("driver_memory")},
        )
        if previous is not None:
            previous >> task
        previous = task
