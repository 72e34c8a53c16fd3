"""What the rows of ``runs`` say is published: the one rule, whoever reads the rows and by whatever means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar


class Run(Protocol):
    """A row of ``runs`` by the names of its columns: a mapping, or a row of Spark's."""

    def __getitem__(self, column: str, /) -> Any: ...


R = TypeVar("R", bound=Run)

#: The status of a migration that is done. It publishes like a finished run, but to this version alone: one
#: that knows finished runs only goes on reading what it has published, until the warehouse is stamped.
MIGRATED = "migrated"


def finished_runs(rows: Iterable[R]) -> list[R]:
    """The finished rows of ``runs`` in the order of publication: by time, and by id where times are equal.

    A run that was done again has several rows, of which the last counts.
    """
    finished = (row for row in rows if row["status"] in ("finished", MIGRATED))
    return sorted(finished, key=lambda row: (row["finished"], row["started"], row["run_id"]))


def published_versions(rows: Iterable[Run]) -> dict[str, int]:
    """Table name -> published version, from rows with status, outputs, finished, started and run_id.

    Each finished row replaces the versions of the tables that it wrote and leaves the others in force.

    >>> first = dict(status="finished", run_id="a", started=1, finished=2, outputs={"items": 1, "rejects": 1})
    >>> later = dict(status="finished", run_id="b", started=3, finished=4, outputs={"items": 2})
    >>> published_versions([later, first, {**later, "status": "failed", "outputs": {"items": 3}}])
    {'items': 2, 'rejects': 1}
    """
    versions: dict[str, int] = {}
    for row in finished_runs(rows):
        # deltalake gives a map as its pairs, Spark as a dict.
        versions.update(dict(row["outputs"]))
    return versions
