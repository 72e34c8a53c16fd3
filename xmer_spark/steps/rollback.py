"""Going back to what was published after an earlier run, and going on from there.

A rollback is one row in ``runs``: the versions that were in force then are in force again, and nothing is
written or removed beside. As the same sources and settings would make again what was undone, it holds: no job
publishes anything until someone says that runs are to go on. What people have said of records stays in force,
and so do the rows of runs that were undone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xmer_spark.config import document_hash
from xmer_spark.errors import XmerError, listed
from xmer_spark.runtime.failures import explain
from xmer_spark.store.delta import Commit, add_rows
from xmer_spark.store.publication import (
    MIGRATED,
    RESUME,
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
    from xmer_spark.config import Tracking
    from xmer_spark.store.runs import Context

Row = Mapping[str, Any]
_WHAT_FOLLOWS = (
    "Nothing is lost: `xmer rollback {last}` takes that back. What people have decided stays. No run "
    "publishes anything until `xmer resume`, and the first one after that writes the report anew"
)


def rollback(context: Context, run_id: str) -> str:
    """Let what was in force after a run be in force again; returns what that means, in sentences."""
    with context.alone(ROLLBACK):
        tables = Published(context.root)
        before, rows = tables.versions, tables.runs()
        _check_run(rows, run_id)
        row = _row(rows, ROLLBACK, {"to": run_id})
        was, now = in_force(rows), in_force([*rows, row])
        if _ids(was) == _ids(now):
            told = "nothing was published after it, and nothing was written now"
        else:
            after = published_versions([*rows, row])
            _check_there(tables, {name: v for name, v in after.items() if before.get(name) != v})
            _publish(tables, {**row, "outputs": after})
            told = f"{_changed(was, now)}. {_WHAT_FOLLOWS.format(last=was[-1]['run_id'])}"
        champion = _champion(context.config.tracking, now)
        return f"{context.root} is as it was after run {run_id}: {told}. {champion}"


def resume(context: Context) -> str:
    """Let runs go on after a rollback."""
    with context.alone(RESUME):
        tables = Published(context.root)
        rows = tables.runs()
        held = holding(rows)
        if held is None:
            return f"{context.root}: no rollback holds, so there is nothing to resume"
        _publish(tables, _row(rows, RESUME, {}))
        return (
            f"{context.root}: the next `xmer run` goes on from run {target(held)}; what was undone, it makes "
            "again, but for what has changed since"
        )


def _check_run(rows: Sequence[Row], run_id: str) -> None:
    """An XmerError where a run has published nothing, or tables of another version."""
    finished = finished_runs(rows)
    places = [place for place, row in enumerate(finished) if row["run_id"] == run_id]
    if not places:
        failed = any(row["run_id"] == run_id for row in rows)
        why = "has failed, and published nothing" if failed else "is not there"
        raise XmerError(f"rollback: run {run_id} {why}; `xmer runs` lists all")
    if any(row["status"] == MIGRATED for row in finished[places[-1] + 1 :]):
        raise XmerError(
            f"rollback: run {run_id} is from before this warehouse was migrated, and its tables are of the "
            "version before; go back to the migration or to a run after it (`xmer runs` lists them)"
        )


def _changed(was: Sequence[Row], now: Sequence[Row]) -> str:
    """Which runs a rollback takes out of force, and which it brings back."""
    before, after = _ids(was), _ids(now)
    undone, back = (
        [run for run in one if run not in other] for one, other in ((before, after), (after, before))
    )
    told = [f"undone: {listed(undone)}"] * bool(undone) + [f"in force again: {listed(back)}"] * bool(back)
    return "; ".join(told)


def _ids(runs: Sequence[Row]) -> list[str]:
    return [row["run_id"] for row in runs if row["job"] != RESUME]


def _check_there(tables: Published, versions: Mapping[str, int]) -> None:
    """An XmerError where the tables cannot be read at these versions any more."""
    for name, version in versions.items():
        if lost := tables.lost_files(name, version):
            raise XmerError(
                f"rollback: version {version} of {tables.root}/{name} has lost {len(lost):,} of its files "
                f"(VACUUM removes what is old): {listed(lost)}; nothing was written. Go back to a later run"
            )


def _row(rows: Sequence[Row], job: str, detail: Mapping[str, str]) -> dict[str, Any]:
    """A row of ``runs`` that is the next, with no tables of its own."""
    last = finished_runs(rows)[-1]
    now = next_moment(last["finished"])
    fingerprint = document_hash([job, detail, last["run_id"], last["finished"].isoformat()])
    return {
        "run_id": f"{job}-{fingerprint}",
        "job": job,
        "status": "finished",
        "fingerprint": fingerprint,
        "config_hash": document_hash({}),
        "model_version": None,
        "inputs": {},
        "outputs": {},
        "counts": {},
        "detail": json.dumps(detail),
        "started": now,
        "finished": now,
    }


def _publish(tables: Published, row: Row) -> None:
    commit = Commit(row["run_id"], row["job"])
    seen = tables.versions["runs"]
    add_rows(f"{tables.root}/runs", [row], commit.transaction("runs"), commit, seen)


def _champion(settings: Tracking, runs: Sequence[Row]) -> str:
    """Let the alias champion point to the model that was champion after these runs; a sentence about it."""
    wanted = _model_of(runs)
    if wanted is None:
        return "No model was in force then; the champion is left as it is"
    try:
        from xmer_spark.resolver.registry import Registry

        registry = Registry(settings)
        now = registry.champion()
        if now == wanted:
            return f"The champion is model version {wanted}, as it was then"
        registry.set_champion(wanted)
    except Exception as error:
        return (
            f"The champion then was version {wanted} of model {settings.model}, and could not be set: "
            f"{explain(error)}. Repeat this command before `xmer resume`, or set the alias champion to it"
        )
    return f"The champion is model version {wanted} again, as it was then; it was {now}"


def _model_of(runs: Sequence[Row]) -> str | None:
    """The model version that these runs have left as champion, where any has told."""
    for row in reversed(runs):
        facts = json.loads(row["detail"] or "{}")
        if row["job"] == "train" and facts.get("champion"):
            return str(facts["version"])
        if row["job"] == "resolve" and row["model_version"]:
            return str(row["model_version"])
    return None
