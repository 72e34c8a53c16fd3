"""The published tables without Spark: what ``runs`` names as the last finished outputs, as DuckDB views.

``deltalake`` reads the tables and DuckDB queries them over Arrow; neither starts a JVM.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xmer_spark.errors import XmerError
from xmer_spark.schema import TABLES
from xmer_spark.store import commits, layout
from xmer_spark.store.publication import in_force, published_versions

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Published:
    """The last published version of every table in a warehouse."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    @cached_property
    def versions(self) -> dict[str, int]:
        """Table name -> published version."""
        if self._runs is None:
            raise XmerError(f"{self.root}: nothing has been published here yet; run `xmer run --config FILE`")
        return {"runs": self._runs.version(), **published_versions(self.runs())}

    def runs(self) -> list[dict[str, Any]]:
        """The rows of the table runs, by column; none where there is no such table."""
        if self._runs is None:
            return []
        rows: list[dict[str, Any]] = native_dataset(self._runs, f"{self.root}/runs").to_table().to_pylist()
        return rows

    @cached_property
    def _runs(self) -> Any:
        """The newest ``deltalake.DeltaTable`` of the table runs; None where there is none."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        layout.check(self.root)
        commits.check_whole(f"{self.root}/runs")
        try:
            return DeltaTable(f"{self.root}/runs")
        except TableNotFoundError:
            return None

    def table(self, name: str, version: int | None = None) -> Any:
        """The ``deltalake.DeltaTable``, pinned to a version, or to that which is published.

        An XmerError where that version is not there any more.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        path, pinned = f"{self.root}/{name}", self.versions[name] if version is None else version
        try:
            return DeltaTable(path, version=pinned)
        except DeltaError as error:
            commits.check_whole(path, self.versions.get(name))
            raise XmerError(
                f"{path}: version {pinned} cannot be read: the table's log, which keeps old versions for 30 "
                "days, does not have it any more, or is damaged"
            ) from error

    def lost_files(self, name: str, version: int) -> list[str]:
        """The files of a table's version that are gone, as VACUUM removes what is old."""
        from pyarrow.fs import FileType

        rows = self.dataset(name, version)
        paths = [fragment.path for fragment in rows.get_fragments()]
        found = rows.filesystem.get_file_info(paths)
        return [path for path, info in zip(paths, found, strict=True) if info.type == FileType.NotFound]

    def dataset(self, name: str, version: int | None = None) -> Any:
        """The rows of a table, published ones or others, as an Arrow dataset for DuckDB, Polars or pandas.

        What came before a column was added has NULL there.
        """
        import pyarrow as pa
        from deltalake import DeltaTable

        found = native_dataset(self.table(name, version), f"{self.root}/{name}")
        if not any(c.nullable and c.name not in found.schema.names for c in TABLES[name].columns):
            return found
        newest = DeltaTable(f"{self.root}/{name}").schema()
        return found.replace_schema(pa.schema(newest.to_arrow()))

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """An in-memory DuckDB in which every published table is a view."""
        import duckdb

        connection = duckdb.connect()
        for name in TABLES:
            if name in self.versions:
                connection.register(name, self.dataset(name))
        connection.register("current_runs", self._current_runs())
        if "metrics" in self.versions:
            connection.execute(
                "CREATE VIEW current_metrics AS SELECT m.* FROM metrics m WHERE run_id IN "
                "(SELECT last(run_id ORDER BY finished, started, run_id) FROM current_runs GROUP BY job)"
            )
        return connection

    def _current_runs(self) -> pa.Table:
        """The runs in force: run_id, job, started and finished."""
        import pyarrow as pa

        rows = in_force(self.runs())
        columns = ("run_id", "job", "started", "finished")
        return pa.table({name: [row[name] for row in rows] for name in columns})

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """The answer of a SQL query over the published tables."""
        import duckdb

        try:
            return self.connection.sql(sql, params=list(parameters)).to_arrow_table()
        except duckdb.Error as error:
            known = ", ".join(sorted(self.versions))
            raise XmerError(f"the query failed: {error}\ntables: {known}") from None


def native_dataset(table: Any, path: str) -> Any:
    """The table as an Arrow dataset; a local one is read by Arrow itself.

    Arrow's threads that still hold deltalake's Python files abort the interpreter at its end now and then.
    """
    from pyarrow import fs

    if "://" in path:
        return table.to_pyarrow_dataset()
    return table.to_pyarrow_dataset(filesystem=fs.SubTreeFileSystem(path, fs.LocalFileSystem()))
