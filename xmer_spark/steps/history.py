"""What became of entities: where an old id's records are now, and what changed between two resolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmer_spark.errors import XmerError
from xmer_spark.store.publication import finished_runs

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
_CHANGED = """
SELECT count(*) FILTER (was = now) AS stayed, count(*) FILTER (was <> now) AS moved,
    count(*) FILTER (was IS NULL) AS came, count(*) FILTER (now IS NULL) AS gone,
    count(DISTINCT was) AS entities_before, count(DISTINCT now) AS entities_after
FROM records_then_and_now
"""
_MOVED = """
SELECT was, now, count(*) AS records, list(record_id ORDER BY record_id)[:3] AS examples
FROM records_then_and_now WHERE was <> now GROUP BY ALL ORDER BY records DESC, was, now LIMIT 20
"""


def where(tables: Published, entity: str) -> pa.Table:
    """The entities that hold today what an entity held once: itself first, while it is there."""
    known = "SELECT 1 FROM entity_events WHERE entity_id = $1 LIMIT 1"
    if not tables.query(known, [entity]).num_rows:
        raise XmerError(f"there has never been an entity {entity!r}; the table entities names those of today")
    return tables.query(_WHERE, [entity])


def diff(tables: Published, before: str | None, after: str | None) -> tuple[pa.Table, pa.Table]:
    """How many records stayed, moved, came and left between two resolutions, and where most of them moved.

    They are named by their runs; of those that are not named, the last is compared with the one before it.
    """
    import duckdb

    versions = {
        row["run_id"]: dict(row["outputs"])["members"]
        for row in finished_runs(tables.runs())
        if "members" in dict(row["outputs"])
    }
    runs = list(versions)
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
