"""What the rows of ``runs`` say is published: the one rule, whoever reads the rows and by whatever means."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar


class Run(Protocol):
    """A row of ``runs`` by the names of its columns: a mapping, or a row of Spark's."""

    def __getitem__(self, column: str, /) -> Any: ...


R = TypeVar("R", bound=Run)

#: The status of a migration that is done. It publishes like a finished run, but to this version alone: one
#: that knows finished runs only goes on reading what it has published, until the warehouse is stamped.
MIGRATED = "migrated"
#: The jobs that make no tables, but say which of those that were made count, and that runs go on from there.
ROLLBACK, RESUME = "rollback", "resume"
#: The job whose runs no rollback undoes: what people have said of records, they take back themselves.
DECIDE = "decide"


def finished_runs(rows: Iterable[R]) -> list[R]:
    """The finished rows of ``runs`` in the order of publication: by time, and by id where times are equal.

    A run that was done again has several rows, of which the last counts.
    """
    finished = (row for row in rows if row["status"] in ("finished", MIGRATED))
    return sorted(finished, key=lambda row: (row["finished"], row["started"], row["run_id"]))


def in_force(rows: Iterable[R]) -> list[R]:
    """The finished runs that count, in the order of publication.

    A rollback undoes all that was published after the run that it names, but for what people have decided.

    >>> def run(n, job, **more):
    ...     return dict(status="finished", run_id=f"{job}-{n}", job=job, started=n, finished=n, **more)
    >>> rows = [run(1, "ingest"), run(2, "ingest"), run(3, "decide"), run(4, "ingest")]
    >>> rows += [run(5, "rollback", detail='{"to": "ingest-1"}'), run(6, "resume"), run(7, "ingest")]
    >>> [row["run_id"] for row in in_force(rows)]
    ['ingest-1', 'decide-3', 'resume-6', 'ingest-7']
    """
    found: list[R] = []
    back_to = None
    for row in reversed(finished_runs(rows)):
        if row["run_id"] == back_to:
            back_to = None
        if back_to is None and row["job"] == ROLLBACK:
            back_to = target(row)
        elif back_to is None or row["job"] == DECIDE:
            found.append(row)
    return found[::-1]


def target(rollback: Run) -> str:
    """The run that a rollback goes back to."""
    found: str = json.loads(rollback["detail"])["to"]
    return found


def holding(rows: Iterable[R]) -> R | None:
    """The rollback that holds: the last one, unless runs were resumed since."""
    turns = [row for row in finished_runs(rows) if row["job"] in (ROLLBACK, RESUME)]
    return turns[-1] if turns and turns[-1]["job"] == ROLLBACK else None


def next_moment(last: datetime | None) -> datetime:
    """The time, for the next row of ``runs``: later than the last one's, whatever clock that was told by."""
    now = datetime.now(UTC)
    return now if last is None else max(now, last.astimezone(UTC) + timedelta(microseconds=1))


def published_versions(rows: Iterable[Run]) -> dict[str, int]:
    """Table name -> published version, from rows of ``runs``.

    Each run in force replaces the versions of the tables that it wrote and leaves the others.

    >>> def run(n, **more):
    ...     return dict(status="finished", run_id=f"run-{n}", job="ingest", started=n, finished=n, **more)
    >>> rows = [run(2, outputs={"items": 2}), run(1, outputs={"items": 1, "rejects": 1})]
    >>> published_versions([*rows, {**run(3, outputs={"items": 3}), "status": "failed"}])
    {'items': 2, 'rejects': 1}
    """
    versions: dict[str, int] = {}
    for row in in_force(rows):
        # deltalake gives a map as its pairs, Spark as a dict.
        versions.update(dict(row["outputs"]))
    return versions
