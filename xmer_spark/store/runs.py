"""What every job is made of: a context, pinned inputs, exactly-once outputs and a published run.

A run's id is the hash of what it depends on and of the run before it. A job whose last
published run had the same dependencies is done and writes nothing; a job that was killed
finds the same id again and redoes its writes, which are the same. The row in ``runs`` is the
point of publication: the versions that it names are what readers see. It is written only where
nothing else was published since the run was planned.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xmer_spark.config import Config, document_hash
from xmer_spark.errors import XmerError
from xmer_spark.runtime.failures import explain
from xmer_spark.runtime.progress import activity, told
from xmer_spark.schema import METRICS, TABLES
from xmer_spark.store import commits, layout
from xmer_spark.store.delta import Commit, Warehouse
from xmer_spark.store.lock import writing
from xmer_spark.store.publication import (
    DECIDE,
    ROLLBACK,
    finished_runs,
    holding,
    in_force,
    next_moment,
    published_versions,
    target,
)
from xmer_spark.store.published import Published

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

    from xmer_spark.runtime.terminal import Terminal

log = logging.getLogger("xmer")


@dataclass
class Metric:
    """A measured value, with its interval where it is an estimate."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class FinishedRun:
    """What a published run has read and written, and the facts that it noted for the jobs after it."""

    run_id: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    facts: dict[str, Any]
    model_version: str | None
    config_hash: str


class Context:
    """One configuration with its Spark session and warehouse, shared by the jobs that run in it."""

    def __init__(self, config: Config, terminal: Terminal | None = None) -> None:
        self.config = config
        self._terminal = terminal
        self._finished: list[Row] | None = None
        self.seen = 0  # the version of runs that was read
        self._alone = False
        self._starting = False

    @cached_property
    def spark(self) -> SparkSession:
        from xmer_spark.runtime.session import build_session

        self._starting = True
        session = build_session(self.config.spark, self.config.name)
        self._starting = False
        return session

    @cached_property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.spark, self.config.warehouse.path)

    @property
    def root(self) -> str:
        return layout.root_of(self.config.warehouse.path)

    def close(self) -> None:
        if "spark" in self.__dict__:
            self.spark.stop()

    def running(self, name: str) -> AbstractContextManager[None]:
        """Show in the terminal, where there is one, that a job runs and how far it is."""
        return self._terminal.running(name, self._progress) if self._terminal else nullcontext()

    def _progress(self) -> str | None:
        if "spark" not in self.__dict__:
            return "starting Spark" if self._starting else None
        found = activity(self.spark)
        return told(found) if found else None

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Be the only one that writes to the warehouse, from here to the end; may be nested.

        An XmerError where another writes, or has published since this context has looked at the runs.
        """
        if self._alone:
            yield
            return
        with writing(self.root, name):
            if self._finished is not None and self.seen != self._newest_runs():
                raise XmerError(f"{self.root}: {commits.MEANWHILE}")
            self._alone = True
            try:
                yield
            finally:
                self._alone = False
                self.forget_runs()

    def _newest_runs(self) -> int:
        return commits.newest(f"{self.root}/runs") or 0

    def runs(self) -> list[Row]:
        """The runs in force, oldest first; read again only after a run has been added."""
        return in_force(self.finished_runs())

    def finished_runs(self) -> list[Row]:
        """All finished runs, oldest first: those that were undone by a rollback, too."""
        if self._finished is None:
            layout.begin(self.root)
            commits.check_whole(f"{self.root}/runs")
            self.seen = self._newest_runs()
            found = finished_runs(self._rows())
            published = published_versions(found)
            for table in TABLES:
                commits.check_whole(f"{self.root}/{table}", published.get(table))
            self._finished = found
        return self._finished

    def _rows(self) -> list[Row]:
        """The rows of the table runs: without Spark where it lies here, for a run may have nothing to do."""
        from pyspark.sql import Row

        if "://" in self.root:
            return self.warehouse.read("runs").collect()
        maps = ("inputs", "outputs", "counts")
        rows = Published(self.root).runs()
        # deltalake gives a map as its pairs.
        return [Row(**{**row, **{name: dict(row[name]) for name in maps}}) for row in rows]

    def forget_runs(self) -> None:
        self._finished = None

    def _check_held(self, name: str) -> None:
        """An XmerError where a rollback holds; people go on deciding, which no rollback undoes."""
        held = holding(self.finished_runs())
        if held is not None and name != DECIDE:
            raise XmerError(
                f"{self.root} was rolled back to run {target(held)}, and {name} might make again what was "
                "undone; when what was wrong is put right, `xmer resume` lets runs go on from there"
            )

    def rolled_back(self) -> str | None:
        """The last rollback, whether or not it holds, where there was one."""
        turns = [run.run_id for run in self.finished_runs() if run.job == ROLLBACK]
        return turns[-1] if turns else None

    def last_run(self, job: str) -> FinishedRun:
        """The last finished run of a job; an XmerError says to run it first where there is none."""
        found = self.finished(job)
        if found is None:
            raise XmerError(f"{self.root}: {job} has not run here yet; run it first")
        return found

    def published_of(self, tables: Sequence[str]) -> list[str]:
        """Those of these tables of which a version is published."""
        published = published_versions(self.runs())
        return [table for table in tables if table in published]

    def finished(self, job: str) -> FinishedRun | None:
        """The last finished run of a job, where there is one."""
        found = [run for run in self.runs() if run.job == job]
        if not found:
            return None
        return FinishedRun(
            found[-1].run_id,
            dict(found[-1].inputs),
            dict(found[-1].outputs),
            json.loads(found[-1].detail or "{}"),
            found[-1].model_version,
            found[-1].config_hash,
        )

    @contextmanager
    def job(
        self, name: str, reads: Sequence[str], settings: Mapping[str, Any], **depends: Any
    ) -> Iterator[Job]:
        """A run of one job over the published versions of the tables that it ``reads``.

        ``settings`` are the parts of the configuration that decide the result, ``depends`` what
        else does. Where ``depends`` names ``data``, that stands for the inputs' versions.
        """
        with self.running(name), self.alone(name):
            self._check_held(name)
            job = Job.plan(self, name, reads, settings, depends)
            if job.done:
                log.info("%s: nothing to do, run %s has the same inputs and settings", name, job.run_id)
            else:
                log.info("%s: run %s", name, job.run_id)
            try:
                yield job
            except Exception as error:
                if not job.done:
                    job.record_failure(error)
                raise
            if job.done:
                return
            job.publish("finished", detail=json.dumps(job.facts, sort_keys=True) if job.facts else None)
        log.info("%s: finished in %.1f s  %s", name, time.monotonic() - job.clock, _counts(job.counts))


@dataclass
class Job:
    """One run of a job: what it reads, what it has written, and what it has counted and measured."""

    context: Context
    name: str
    run_id: str
    fingerprint: str
    config_hash: str
    inputs: dict[str, int]
    done: bool
    previous: dict[str, int]
    model_version: str | None = None
    times: int = 0  # that it was finished before, where it is done again
    seen: int | None = None  # the version of runs that it was planned on
    after: datetime | None = None  # when the last run before it was published
    outputs: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    metrics: list[Metric] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)

    @classmethod
    def plan(
        cls,
        context: Context,
        name: str,
        reads: Sequence[str],
        settings: Mapping[str, Any],
        depends: dict[str, Any],
    ) -> Job:
        runs = context.runs()
        published = published_versions(runs)
        absent = [table for table in reads if table not in published]
        if absent:
            raise XmerError(
                f"{name}: {', '.join(absent)} not published yet in {context.root}; "
                f"run the jobs before it first (xmer run --config FILE runs them all)"
            )
        inputs = {table: published[table] for table in reads}
        config_hash = document_hash(settings)
        fingerprint = document_hash([name, config_hash, depends, None if "data" in depends else inputs])
        mine = [run for run in runs if run.job == name]
        last = mine[-1] if mine else None
        done = last is not None and last.fingerprint == fingerprint
        run_id = last.run_id if last is not None and done else _run_id(name, fingerprint, last)
        job = cls(context, name, run_id, fingerprint, config_hash, inputs, done, previous=published)
        job.model_version = depends.get("model")
        earlier = context.finished_runs()
        job.times = sum(run.run_id == run_id for run in earlier)
        job.seen, job.after = context.seen, earlier[-1].finished if earlier else None
        if last is not None and done:
            job.facts = json.loads(last.detail or "{}")
        return job

    @property
    def commit(self) -> Commit:
        """Who writes; the commits of a run that is done again are not those of the first time."""
        return Commit(f"{self.run_id}@{self.times}" if self.times else self.run_id, self.name)

    def redo(self) -> None:
        """Do a finished run again, for what it made is gone: facts and metrics are published anew."""
        self.done, self.facts = False, {}
        log.info("%s: run %s is done again", self.name, self.run_id)

    def record_failure(self, error: Exception) -> None:
        """Leave a row that says what went wrong; should that fail, the first error is the one to tell."""
        try:
            self.publish("failed", detail=explain(error))
        except Exception:
            log.exception("%s: that run %s has failed could not be recorded", self.name, self.run_id)

    def read(self, table: str) -> DataFrame:
        """A table at the version that this run is pinned to."""
        return self.context.warehouse.read(table, self.inputs[table])

    def read_previous(self, table: str) -> DataFrame:
        """A table as it was last published, whatever a killed run has left in it since."""
        if table in self.previous:
            return self.context.warehouse.read(table, self.previous[table])
        return self.context.spark.createDataFrame([], self.context.warehouse.read(table).schema)

    def _onto(self, table: str) -> int:
        """The version that this run builds on; 0 where nothing of the table is published."""
        return self.outputs.get(table, self.previous.get(table, 0))

    def sync(self, table: str, rows: DataFrame, scope: str | None = None) -> DataFrame:
        """Make a table equal to ``rows``; returns it as written."""
        version = self.context.warehouse.sync(table, rows, self.commit, scope, self._onto(table))
        self.outputs[table] = version
        return self.context.warehouse.read(table, version)

    def merge(self, table: str, upserts: DataFrame, gone: DataFrame | None = None) -> DataFrame:
        """Make a table as it was last published but for these rows and without the other keys in ``gone``."""
        version = self.context.warehouse.merge(table, upserts, gone, self.commit, self._onto(table))
        self.outputs[table] = version
        return self.context.warehouse.read(table, version)

    def append(self, table: str, rows: DataFrame) -> None:
        self.outputs[table] = self.context.warehouse.append(table, rows, self.commit, self._onto(table))

    def measure(
        self, name: str, value: float, low: float | None = None, high: float | None = None, **detail: Any
    ) -> None:
        low, high = (None if end is None else float(end) for end in (low, high))
        self.metrics.append(Metric(name, float(value), low, high, detail or None))

    def _measured(self, metric: Metric) -> dict[str, Any]:
        """A row of the table metrics."""
        detail = json.dumps(metric.detail) if metric.detail else None
        return {"run_id": self.run_id, "job": self.name, **asdict(metric), "detail": detail}

    def publish(self, status: str, detail: str | None) -> None:
        warehouse = self.context.warehouse
        failed = status == "failed"
        if self.metrics and not failed:
            self._publish_metrics()
        row = {
            "run_id": self.run_id,
            "job": self.name,
            "status": status,
            "fingerprint": self.fingerprint,
            "config_hash": self.config_hash,
            "model_version": self.model_version,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "counts": self.counts,
            "detail": detail,
            "started": self.started,
            "finished": datetime.now(UTC) if failed else next_moment(self.after),
        }
        # A failed try must not be taken for the run itself when that is repeated.
        commit = Commit(f"{self.run_id}@{self.started.isoformat()}", self.name) if failed else self.commit
        warehouse.add("runs", [row], commit, None if failed else self.seen)
        self.context.forget_runs()

    def _publish_metrics(self) -> None:
        rows = [self._measured(metric) for metric in self.metrics]
        warehouse, onto = self.context.warehouse, self._onto("metrics")
        if self.times or warehouse.strays("metrics", onto):
            # Those of a run that is done again replace the first's; those of runs that do not count go.
            self.merge("metrics", self.context.spark.createDataFrame(rows, METRICS.ddl))
        else:
            self.outputs["metrics"] = warehouse.add("metrics", rows, self.commit)


def _run_id(name: str, fingerprint: str, last: Row | None) -> str:
    return f"{name}-{document_hash([fingerprint, last.run_id if last is not None else None])}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in counts.items())
