"""Going back to what an earlier run has published, read and done without Spark."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.published import RUNS, write_rows
from tests.steps.test_history import EVENTS
from xmer_spark.config import load_config
from xmer_spark.errors import XmerError
from xmer_spark.steps.history import diff, history, where
from xmer_spark.steps.rollback import resume, rollback
from xmer_spark.store import layout
from xmer_spark.store.publication import finished_runs, published_versions
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

CONFIG = """
name = "shop"
[warehouse]
path = "{folder}/warehouse"
[tracking]
uri = "sqlite:///{folder}/mlflow.db"
artifacts = "{folder}/mlartifacts"
[[source]]
name = "shop"
kind = "csv"
path = "shop.csv"
key = "id"
fields = {{name = {{type = "name"}}}}
"""


def run(day: int, job: str, outputs: dict[str, int], **more: Any) -> dict[str, Any]:
    when = datetime(2026, 1, day, tzinfo=UTC)
    row = {"run_id": f"{job}-{day}", "job": job, "status": "finished", "inputs": {}, "outputs": outputs}
    return row | {"counts": {}, "started": when, "finished": when, **more}


#: A is alone; then B is made and goes into A, and a person has decided meanwhile.
HISTORY = [
    run(1, "ingest", {"records": 0}),
    run(2, "resolve", {"members": 0, "entities": 0, "entity_events": 0}),
    run(3, "decide", {"decisions": 0}),
    run(4, "ingest", {"records": 1, "rejects": 0}),
    run(5, "resolve", {}, status="failed"),
    run(6, "resolve", {"members": 1, "entities": 1, "entity_events": 1}),
]
CREATED, GROWN = ("resolve-2", "created", "A", [], 0, 1), ("resolve-6", "grown", "A", ["B"], 1, 2)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A warehouse with two resolutions, of which the second has read another file."""
    root = tmp_path / "warehouse"
    layout.begin(str(root))
    for n in range(2):
        records = [{"record_id": f"shop/{record}"} for record in range(n + 1)]
        write_rows(root, "records", records)
        write_rows(root, "members", [row | {"entity_id": "A"} for row in records])
        write_rows(root, "entities", [{"entity_id": "A", "title": "a", "size": n + 1, "sources": ["shop"]}])
        told = [dict(zip(EVENTS.names, row, strict=True)) for row in (CREATED, GROWN)[: n + 1]]
        write_rows(root, "entity_events", told, EVENTS)
    write_rows(root, "rejects", [{"key": "x"}])
    write_rows(root, "decisions", [{"left_id": "shop/0", "right_id": "shop/1", "verdict": "same"}])
    write_rows(root, "runs", HISTORY, RUNS)
    (tmp_path / "shop.toml").write_text(CONFIG.format(folder=tmp_path))
    return Context(load_config(tmp_path / "shop.toml"))


def seen(context: Context) -> dict[str, int]:
    versions = Published(context.root).versions
    return {name: version for name, version in versions.items() if name != "runs"}


def files(context: Context) -> set[Path]:
    return {path for path in Path(context.root).rglob("*") if path.name != "_writer.lock"}


def test_readers_see_what_was_published_then_and_nothing_is_rewritten(context: Context) -> None:
    before = files(context)
    told = rollback(context, "resolve-2")
    assert told.startswith(
        f"{context.root} is as it was after run resolve-2: undone: ingest-4, resolve-6. Nothing is lost: "
        "`xmer rollback resolve-6` takes that back."
    )
    # A table that was not there then is not published; what a person has said since then is.
    assert seen(context) == {"records": 0, "members": 0, "entities": 0, "entity_events": 0, "decisions": 0}
    added = {path.relative_to(context.root).parts[0] for path in files(context) - before}
    assert added == {"runs"}
    last = max(Published(context.root).runs(), key=lambda row: row["finished"])
    assert (last["job"], dict(last["outputs"])) == ("rollback", seen(context))


def test_what_was_undone_is_told_of_no_entity(context: Context) -> None:
    tables = Published(context.root)
    assert history(tables, "A")["kind"].to_pylist() == ["created", "grown"]
    rollback(context, "resolve-2")
    tables = Published(context.root)
    found = history(tables, "A").to_pylist()
    assert [(row["run"], row["kind"]) for row in found] == [("resolve-2", "created")]
    assert where(tables, "A")["size"].to_pylist() == [1]
    with pytest.raises(XmerError, match="there is no resolution before that one"):
        diff(tables, None, None)
    changed, _ = diff(tables, "resolve-2", "resolve-6")  # by name, what was undone can be looked at
    assert changed["came"].to_pylist() == [1]


def test_a_rollback_can_be_taken_back_and_goes_to_any_run(context: Context) -> None:
    before = seen(context)
    rollback(context, "ingest-1")
    assert seen(context) == {"records": 0, "decisions": 0}
    assert "in force again: resolve-2, ingest-4, resolve-6" in rollback(context, "resolve-6")
    assert seen(context) == before
    rollback(context, "ingest-4")
    assert seen(context) == before | {"members": 0, "entities": 0, "entity_events": 0}
    rows = finished_runs(Published(context.root).runs())
    rollbacks = [row["run_id"] for row in rows if row["job"] == "rollback"]
    assert len(rollbacks) == 3
    rollback(context, rollbacks[0])  # what was in force after that one
    assert seen(context) == {"records": 0, "decisions": 0}


def test_nothing_is_published_until_runs_are_resumed(context: Context) -> None:
    assert "no rollback holds" in resume(context)
    assert "nothing was written now" in rollback(context, "resolve-6")
    rollback(context, "resolve-2")
    holds = "was rolled back to run resolve-2, and ingest might make again what was undone; .* `xmer resume`"
    for _ in range(2):
        with pytest.raises(XmerError, match=holds), context.job("ingest", [], {}):
            pytest.fail("a job ran")
    assert "goes on from run resolve-2" in resume(context)
    assert context.runs()[-1].job == "resume"
    assert context.finished("ingest") is not None
    assert context.last_run("ingest").run_id == "ingest-1"
    assert published_versions(context.runs()) == seen(context)
    unpublished = "ingest: rejects not published yet"
    with pytest.raises(XmerError, match=unpublished), context.job("ingest", ["rejects"], {}):
        pytest.fail("a job ran")


@pytest.mark.parametrize(
    ("run_id", "said"),
    [
        ("resolve-9", "run resolve-9 is not there; `xmer runs` lists all"),
        ("resolve-5", "run resolve-5 has failed, and published nothing"),
    ],
)
def test_only_a_run_that_has_published_can_be_gone_back_to(context: Context, run_id: str, said: str) -> None:
    before = files(context)
    with pytest.raises(XmerError, match=said):
        rollback(context, run_id)
    assert files(context) == before


def test_a_run_from_before_a_migration_cannot_be_gone_back_to(context: Context) -> None:
    rows = [*HISTORY, run(7, "migrate", {"members": 1}, status="migrated"), run(8, "ingest", {"records": 1})]
    write_rows(Path(context.root), "runs", rows, RUNS)
    with pytest.raises(XmerError, match="run resolve-6 is from before this warehouse was migrated"):
        rollback(context, "resolve-6")
    assert "undone: ingest-8" in rollback(context, "migrate-7")


@pytest.mark.parametrize("lost", ["members/*.parquet", "members/_delta_log/*0.json"])
def test_what_vacuum_has_removed_is_told_before_anything_is_written(context: Context, lost: str) -> None:
    for file in sorted(Path(context.root).glob(lost)):
        if "_delta_log" in lost or file.name in _of_version(context, 0):
            file.unlink()
    before = files(context)
    with pytest.raises(XmerError, match=r"VACUUM removes what is old|version 0 cannot be read"):
        rollback(context, "resolve-2")
    assert files(context) == before
    assert "members" in seen(context)


def _of_version(context: Context, version: int) -> set[str]:
    rows = Published(context.root).dataset("members", version)
    return {Path(fragment.path).name for fragment in rows.get_fragments()}


def test_the_model_of_then_is_champion_again(context: Context) -> None:
    from xmer_spark.resolver.registry import Registry

    registry = Registry(context.config.tracking)
    model = context.config.tracking.model
    registry.client.create_registered_model(model)
    for version in ("1", "2"):
        assert registry.client.create_model_version(model, source="file:///none").version == int(version)
    registry.set_champion("2")
    facts = [json.dumps({"version": version, "champion": True}) for version in ("1", "2")]
    trained = [run(1, "train", {}, detail=facts[0]), *HISTORY, run(7, "train", {}, detail=facts[1])]
    write_rows(Path(context.root), "runs", trained, RUNS)
    told = rollback(context, "resolve-2")
    assert told.endswith("The champion is model version 1 again, as it was then; it was 2")
    assert registry.champion() == "1"
    assert rollback(context, "resolve-2").endswith("The champion is model version 1, as it was then")

    registry.client.delete_registered_model(model)
    told = rollback(context, "train-7")
    assert seen(context)["members"] == 1  # the tables are what counts
    assert "The champion then was version 2" in told
    assert "could not be set: MLflow did not do what was asked: " in told
