"""What a job writes and publishes: on what is in force, once, and never on top of another's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.frames import table_of
from xmer_spark.config import load_config
from xmer_spark.errors import XmerError
from xmer_spark.schema import ENTITY_EVENTS, FEATURES, REJECTS
from xmer_spark.steps.rollback import resume, rollback
from xmer_spark.store.delta import Commit
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context, Job

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CONFIG = """
name = "shop"
[warehouse]
path = "{folder}/warehouse"
[tracking]
uri = "sqlite:///{folder}/mlflow.db"
[[source]]
name = "shop"
kind = "csv"
path = "shop.csv"
key = "id"
fields = {{name = {{type = "name"}}}}
"""
OTHERS = "reason <> 'extraction_failed'"


def context_of(spark: SparkSession, folder: Path) -> Context:
    file = folder / "shop.toml"
    file.write_text(CONFIG.format(folder=folder))
    context = Context(load_config(file))
    context.spark = spark
    return context


def rejects(context: Context, *keys: str, reason: str = "missing_file") -> DataFrame:
    rows = [{"source": "shop", "key": key, "reason": reason, "detail": "gone"} for key in keys]
    return table_of(context.spark, REJECTS, rows)


def features(context: Context, *items: str) -> DataFrame:
    rows = [
        {"item_id": item, "item_key": ord(item[0]), "extractor": "e", "content_hash": item}
        | {"modality": "text", "vector": [1.0]}
        for item in items
    ]
    return table_of(context.spark, FEATURES, rows)


def events(context: Context, run_id: str) -> DataFrame:
    row = {"event_id": run_id, "run_id": run_id, "kind": "created", "entity_id": "e", "others": []}
    return table_of(context.spark, ENTITY_EVENTS, [row | {"records_before": 0, "records_after": 1}])


def run(context: Context, *keys: str) -> str:
    """A run that makes a table equal to what it has found, and appends to others."""
    with context.job("ingest", [], {"keys": list(keys)}) as job:
        if not job.done:
            job.sync("rejects", rejects(context, *keys))
            job.append("entity_events", events(context, job.run_id))
            job.measure("found", len(keys))
    return job.run_id


def published(context: Context, *names: str) -> list[Sequence[str]]:
    """What readers see of these tables, or of those that ``run`` writes."""
    tables = Published(context.root)
    keys = {"rejects": "key", "features": "item_id", "entity_events": "run_id", "metrics": "run_id"}
    return [
        tables.query(f"SELECT {keys[name]} AS found FROM {name} ORDER BY 1")["found"].to_pylist()
        for name in names or ("rejects", "entity_events", "metrics")
    ]


def test_after_a_rollback_runs_go_on_from_what_is_in_force_again(spark: SparkSession, tmp_path: Path) -> None:
    context = context_of(spark, tmp_path)
    first, _ = run(context, "a"), run(context, "b")
    rollback(context, first)
    assert published(context) == [["a"], [first], [first]]
    with pytest.raises(XmerError, match="`xmer resume` lets runs go on"):
        run(context, "c")
    resume(context)
    assert run(context, "a") == first  # that is in force, so there is nothing to do
    third = run(context, "c")
    assert published(context) == [["c"], *[sorted([first, third])] * 2]  # nothing of what was undone


def test_a_run_that_was_undone_is_published_anew_by_the_same_run(spark: SparkSession, tmp_path: Path) -> None:
    """Its transactions are in the tables' logs already, and must not be taken for it."""
    context = context_of(spark, tmp_path)

    def measured(value: int) -> str:
        with context.job("evaluate", [], {"value": value}) as job:
            job.measure("recall", value)
        return job.run_id

    first, second = measured(1), measured(2)
    rollback(context, first)
    resume(context)
    assert measured(2) == second
    assert published(context, "metrics") == [sorted([first, second])]
    current = Published(context.root).query("SELECT run_id, value FROM current_metrics").to_pylist()
    assert current == [{"run_id": second, "value": 2}]
    assert [row.run_id for row in context.runs() if row.job == "evaluate"] == [first, second]


def test_what_a_killed_run_has_left_is_not_published_by_the_next(spark: SparkSession, tmp_path: Path) -> None:
    context = context_of(spark, tmp_path)
    with context.job("extract", [], {}) as job:
        job.merge("features", features(context, "a", "b"))
        job.sync("rejects", rejects(context, "c"))
    killed = Job.plan(context, "extract", [], {"of": "another day"}, {})
    killed.merge("features", features(context, "a2", "d"), features(context, "b"))
    killed.sync("rejects", rejects(context, "e", reason="extraction_failed"), "NOT " + OTHERS)
    with context.job("ingest", [], {}) as job:
        job.merge("features", features(context, "f"), features(context, "a"))
        job.sync("rejects", rejects(context, "g"), OTHERS)
    assert published(context, "features", "rejects") == [["b", "f"], ["g"]]


def test_what_is_published_later_counts_whatever_the_clock_says(spark: SparkSession, tmp_path: Path) -> None:
    context = context_of(spark, tmp_path)
    run(context, "a")
    fast = datetime.now(UTC) + timedelta(days=1)  # another machine's clock
    last = context.runs()[-1].asDict()
    row = {**last, "run_id": "ingest-fast", "fingerprint": "fast", "started": fast, "finished": fast}
    context.warehouse.add("runs", [row], Commit("ingest-fast", "ingest"))
    context.forget_runs()
    second = run(context, "b")
    assert context.last_run("ingest").run_id == second
    assert published(context)[0] == ["b"]
    assert "undone" in rollback(context, "ingest-fast")
    assert published(context)[0] == ["a"]


def test_a_job_is_refused_while_another_runs_or_has_published_since(
    spark: SparkSession, tmp_path: Path
) -> None:
    one, other = (context_of(spark, tmp_path) for _ in range(2))
    run(one, "a")
    assert other.last_run("ingest").run_id == one.last_run("ingest").run_id
    with one.job("ingest", [], {"keys": ["b"]}) as job:
        job.sync("rejects", rejects(one, "b"))
        for act in (lambda: run(other, "c"), lambda: rollback(other, "ingest-1"), lambda: resume(other)):
            with pytest.raises(XmerError, match="is being written to by ingest"):
                act()
    # What the other has read is not what is published any more, and its settings may rest on it.
    with pytest.raises(XmerError, match="another run has written here meanwhile"):
        run(other, "c")
    assert published(one)[0] == ["b"]
    other.forget_runs()
    run(other, "c")
    assert published(other)[0] == ["c"]


def steps(context: Context, *keys: str) -> Iterator[None]:
    """A run that stops before each of its commits."""
    with context.job("ingest", [], {"keys": list(keys)}) as job:
        yield
        job.sync("rejects", rejects(context, *keys))
        yield


@pytest.mark.parametrize("until", [1, 2])
def test_where_no_lock_keeps_them_apart_two_runs_end_as_if_one_had_come_first(
    spark: SparkSession, tmp_path: Path, until: int
) -> None:
    """One run stops before a commit of its own, another comes and ends, and the first goes on."""
    one, other = (context_of(spark, tmp_path) for _ in range(2))
    list(steps(one, "a"))
    going = steps(one, "b")
    for _ in range(until):
        next(going)
    (tmp_path / "warehouse" / "_writer.lock").unlink()  # as on a file system that has no locks
    list(steps(other, "c"))
    assert published(other, "rejects") == [["c"]]  # nothing of what the first has written
    with pytest.raises(XmerError, match="another run has written here meanwhile"):
        list(going)
    assert published(other, "rejects") == [["c"]]
    list(steps(one, "b"))  # as it says: the same command again
    assert published(other, "rejects") == [["b"]]
    assert [run.job for run in one.runs()] == ["ingest"] * 3
