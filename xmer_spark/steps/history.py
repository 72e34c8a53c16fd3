"""What became of entities: their events, where old ids' records are now, what two resolutions differ in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xmer_spark.errors import XmerError
from xmer_spark.store.publication import ROLLBACK, finished_runs, in_force

if TYPE_CHECKING:
    import pyarrow as pa

    from xmer_spark.store.published import Published

# What an entity gave away has gone to others, which may have given it away since.
_WHERE = """
WITH RECURSIVE trail(entity_id) AS (
    SELECT $1
    UNION
    SELECT unnest(others) FROM trail JOIN entity_events USING (entity_id)
    WHERE kind IN ('retired', 'split', 'shrunk')
)
SELECT entity_id, title, size, sources FROM trail JOIN entities USING (entity_id)
ORDER BY entity_id <> $1, size DESC, entity_id
"""
_HAPPENED = """
SELECT run_id AS run, finished AS "when", kind, others, records_before, records_after
FROM entity_events
LEFT JOIN (SELECT run_id, max(finished) AS finished FROM current_runs GROUP BY run_id) USING (run_id)
WHERE entity_id = $1 ORDER BY finished, kind
"""
_CHANGED = """
SELECT count(*) FILTER (was = now) AS stayed, count(*) FILTER (was <> now) AS moved,
    count(*) FILTER (was IS NULL) AS came, count(*) FILTER (now IS NULL) AS gone,
    count(DISTINCT was) AS entities_before, count(DISTINCT now) AS entities_after
FROM records_then_and_now
"""
_NEVER = "there has never been an entity {entity!r}; the table entities names those of today"
_MOVED = """
SELECT was, now, count(*) AS records, list(record_id ORDER BY record_id)[:3] AS examples
FROM records_then_and_now WHERE was <> now GROUP BY ALL ORDER BY records DESC, was, now LIMIT 20
"""


def history(tables: Published, entity: str) -> pa.Table:
    """Everything that happened to an entity, oldest first, by what is published: not what was rolled back."""
    found = tables.query(_HAPPENED, [entity])
    if not found.num_rows:
        raise XmerError(_NEVER.format(entity=entity))
    return found


def write(found: pa.Table, path: Path) -> None:
    """Write an entity's history as a CSV file."""
    import pyarrow.compute as pc
    from pyarrow import csv

    place = found.schema.get_field_index("others")
    csv.write_csv(found.set_column(place, "others", pc.binary_join(found["others"], " ")), path)


def where(tables: Published, entity: str) -> pa.Table:
    """The entities that hold today what an entity held once: itself first, while it is there."""
    known = "SELECT 1 FROM entity_events WHERE entity_id = $1 LIMIT 1"
    if not tables.query(known, [entity]).num_rows:
        raise XmerError(_NEVER.format(entity=entity))
    return tables.query(_WHERE, [entity])


def diff(tables: Published, before: str | None, after: str | None) -> tuple[pa.Table, pa.Table]:
    """How many records stayed, moved, came and left between two resolutions, and where most of them moved.

    They are named by their runs; of those that are not named, the last in force is compared with the one
    before it. One that was rolled back can be named.
    """
    import duckdb

    rows = tables.runs()
    versions = _resolutions(finished_runs(rows))
    order = list(_resolutions(in_force(rows)))
    runs = order if after in (None, *order) else list(versions)
    after = after or (runs[-1] if runs else None)
    before = before or (runs[runs.index(after) - 1] if after in runs[1:] else None)
    unknown = [run for run in (before, after) if run not in versions]
    if unknown:
        raise XmerError(
            f"diff: {unknown[0]} is no finished resolution; `xmer runs` lists them"
            if unknown[0]
            else "diff: there is no resolution before that one to compare it with"
        )
    connection = duckdb.connect()
    for name, run in (("earlier", before), ("later", after)):
        connection.register(name, tables.dataset("members", versions[run]))
    connection.execute(
        "CREATE TABLE records_then_and_now AS SELECT record_id, a.entity_id AS was, b.entity_id AS now "
        "FROM earlier a FULL JOIN later b USING (record_id)"
    )
    return connection.sql(_CHANGED).to_arrow_table(), connection.sql(_MOVED).to_arrow_table()


def _resolutions(rows: Sequence[Mapping[str, Any]]) -> dict[str | None, int]:
    """The runs of ``resolve`` among these, with the versions of the table members that they published."""
    outputs = {row["run_id"]: dict(row["outputs"]) for row in rows if row["job"] != ROLLBACK}
    return {run: tables["members"] for run, tables in outputs.items() if "members" in tables}
