"""The only writer of Delta: create from the schema, exactly-once commits, pinned reads, history.

Every write says what a table's rows *should be* and commits only the difference: rows that
are the same are not written again, and where nothing differs there is no commit. Repeating a
write, or redoing one that a kill cut short, therefore changes nothing.

A table may have commits that are not published: left by a killed run, or undone by a rollback. A
write ``onto`` the published version takes what they did back in the commit that it makes.

Every commit must be the next after the version that its writer has seen, or the writer stops: nobody
publishes what another has changed in between, whether or not the file system could keep that one away.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xmer_spark.errors import XmerError
from xmer_spark.method import folder_bytes
from xmer_spark.schema import TABLES
from xmer_spark.store import commits, differences
from xmer_spark.store.layout import root_of

if TYPE_CHECKING:
    from delta.tables import DeltaTableBuilder
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)

_OPERATION, _UPSERT, _DELETE = "__operation", "upsert", "delete"
_COMPLETE = ".complete"
_NOT_FAILED = "%s: a write was told to have failed, and its commit is there: %s"


@dataclass(frozen=True)
class Commit:
    """Who writes: a commit's transaction id, so that it happens once, and its note in the history."""

    run_id: str
    job: str

    def transaction(self, table: str) -> str:
        """The id of the transaction in a table."""
        return f"{self.run_id}/{table}"

    def note(self) -> str:
        return json.dumps({"run_id": self.run_id, "job": self.job}, sort_keys=True)


class Warehouse:
    """The Delta tables under one folder or file system URL."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        self.spark = spark
        self.root = root_of(path)

    def path(self, name: str) -> str:
        return f"{self.root}/{TABLES[name].name}"

    def exists(self, name: str) -> bool:
        return commits.newest(self.path(name)) is not None

    def create(self, name: str) -> None:
        """Create the table, with its comments and constraints, unless it is there."""
        from delta.tables import DeltaTable

        if not self.exists(name):
            self._build(name, DeltaTable.createIfNotExists(self.spark))

    def _build(self, name: str, builder: DeltaTableBuilder) -> None:
        table = TABLES[name]
        builder = builder.location(self.path(name)).comment(table.comment)
        for column in table.columns:
            builder = builder.addColumn(
                column.name, column.type, nullable=column.nullable, comment=column.comment
            )
        for constraint, expression in table.checks:
            builder = builder.property(f"delta.constraints.{constraint}", expression)
        builder = builder.property("delta.enableChangeDataFeed", "true")
        if table.partition_by:
            builder = builder.partitionedBy(*table.partition_by)
        builder.execute()

    def version(self, name: str) -> int:
        """The newest version of a table, which need not be published."""
        newest = commits.newest(self.path(name))
        if newest is None:
            raise XmerError(f"{self.path(name)} is no Delta table, or its log is gone")
        return newest

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """The rows of a table at a version; of a table that is not there, none.

        What came before a column was added has NULL there.
        """
        from pyspark.sql import functions as F

        if not self.exists(name):
            return self.spark.createDataFrame([], TABLES[name].ddl)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        rows = reader.load(self.path(name))
        added = [c for c in TABLES[name].columns if c.nullable and c.name not in rows.columns]
        return rows.withColumns({c.name: F.lit(None).cast(c.type) for c in added}) if added else rows

    def strays(self, name: str, onto: int) -> bool:
        """Whether a table has had commits since the version ``onto``, 0 where nothing of it is published."""
        return (commits.newest(self.path(name)) or 0) > onto

    def sync(
        self, name: str, rows: DataFrame, commit: Commit, scope: str | None = None, onto: int | None = None
    ) -> int:
        """Make the table's rows, or those within the SQL condition ``scope``, equal to ``rows``.

        One MERGE writes what differs; where nothing does, there is no commit. Returns the version. Beyond
        the scope, rows are those of the version ``onto``.
        """
        from pyspark import StorageLevel

        self.create(name)
        version = self.version(name)
        if version == 0:  # there is nothing to compare the first rows with
            return self.append(name, rows, commit)
        table = TABLES[name]
        rows = differences.conform(rows, table)
        if scope is not None and onto is not None and version > onto:
            rows, scope = rows.unionByName(self._base(name, onto).where(f"NOT ({scope})")), None
        present = self.read(name, version)
        if scope is not None:
            present = present.where(scope)
        rows = rows.persist(StorageLevel.DISK_ONLY)
        try:
            return self._merge(
                name,
                differences.changed(rows, present, table),
                differences.gone(rows, present, table),
                commit,
                version,
            )
        finally:
            rows.unpersist()

    def merge(
        self, name: str, upserts: DataFrame, gone: DataFrame | None, commit: Commit, onto: int | None = None
    ) -> int:
        """Insert or replace ``upserts`` and delete the keys in ``gone``, in one commit or in none.

        That is done to the rows of the version ``onto``, or of the newest where none is given.
        """
        self.create(name)
        version = self.version(name)
        if version == 0:
            return self.append(name, upserts, commit)
        if onto is None or version <= onto:
            return self._merge(name, upserts, gone, commit, version)
        table = TABLES[name]
        rows, kept = differences.conform(upserts, table), self._base(name, onto)
        for leaving in (rows, gone) if gone is not None else (rows,):
            kept = kept.join(
                leaving.select(*table.key), differences.same_key(kept, leaving, table), "left_anti"
            )
        return self.sync(name, kept.unionByName(rows), commit)

    def _base(self, name: str, onto: int) -> DataFrame:
        rows = self.read(name, onto) if onto else self.spark.createDataFrame([], TABLES[name].ddl)
        return differences.conform(rows, TABLES[name])

    def _merge(
        self, name: str, upserts: DataFrame, gone: DataFrame | None, commit: Commit, version: int
    ) -> int:
        """One MERGE on top of a version."""
        from delta.tables import DeltaTable
        from pyspark import StorageLevel
        from pyspark.sql import functions as F

        table = TABLES[name]
        changed = differences.conform(upserts, table).persist(StorageLevel.DISK_ONLY)
        changes = changed.withColumn(_OPERATION, F.lit(_UPSERT))
        leaving = None
        if gone is not None:
            # A row whose key stays, with other values, is replaced: it cannot be deleted in the same merge.
            leaving = differences.gone(changed, gone, table)
            deletes = leaving.withColumn(_OPERATION, F.lit(_DELETE))
            changes = changes.unionByName(deletes, allowMissingColumns=True)
        try:
            if changed.isEmpty() and (leaving is None or leaving.isEmpty()):
                return version
            same_key = " AND ".join(f"target.{column} <=> changes.{column}" for column in table.key)
            values: dict[str, Any] = {column: f"changes.{column}" for column in table.column_names}
            merge = (
                DeltaTable.forPath(self.spark, self.path(name))
                .alias("target")
                .merge(changes.alias("changes"), same_key)
                .whenMatchedDelete(f"changes.{_OPERATION} = '{_DELETE}'")
                .whenMatchedUpdate(set=values)
                .whenNotMatchedInsert(f"changes.{_OPERATION} = '{_UPSERT}'", values=values)
            )
            with self._once(name, version, commit):
                return self._commit(name, version, commit, merge.execute)
        finally:
            changed.unpersist()

    def append(self, name: str, rows: DataFrame, commit: Commit, onto: int | None = None) -> int:
        """Append rows in one commit, which a repetition of the same run does not double."""
        self.create(name)
        if onto is not None and self.strays(name, onto):
            return self.merge(name, rows, None, commit, onto)
        version = self.version(name)
        write = (
            differences.conform(rows, TABLES[name])
            .write.format("delta")
            .mode("append")
            .option("txnAppId", commit.transaction(name))
            .option("txnVersion", 1)
            .option("userMetadata", commit.note())
        )
        return self._commit(name, version, commit, lambda: write.save(self.path(name)))

    def add(
        self, name: str, rows: Sequence[Mapping[str, Any]], commit: Commit, seen: int | None = None
    ) -> int:
        """Append a few rows that are at hand, by column, as ``append`` does.

        Where the table lies here, that is done without Spark, which takes half a second for one row. Where
        the newest version is not the one that was ``seen``, there is an XmerError, and nothing is added.
        """
        self.create(name)
        if "://" not in self.root:
            return add_rows(self.path(name), rows, commit.transaction(name), commit, seen)
        if seen is not None and self.version(name) != seen:
            raise XmerError(f"{self.path(name)}: {commits.MEANWHILE}")
        return self.append(name, self.spark.createDataFrame(rows, TABLES[name].ddl), commit)

    def replace(self, name: str, rows: DataFrame, commit: Commit) -> int:
        """Make the table anew as the schema has it, with these rows; earlier versions stay as they were.

        That takes two commits: what is published must not be a table that is being replaced.
        """
        from delta.tables import DeltaTable

        # Delta's createOrReplace only looks for a table of that name, and never finds one by its path.
        how = DeltaTable.replace if self.exists(name) else DeltaTable.create
        self._build(name, how(self.spark))
        version = self.version(name)
        write = differences.conform(rows, TABLES[name]).write.format("delta").mode("append")
        with self._once(name, version, commit):
            return self._commit(name, version, commit, lambda: write.save(self.path(name)))

    def add_columns(self, name: str) -> None:
        """Give a table, in one commit, the schema's columns that it lacks; its rows have NULL there."""
        present = self.spark.read.format("delta").load(self.path(name)).columns
        added = [c for c in TABLES[name].columns if c.name not in present]
        if added:
            columns = ", ".join(f"{c.name} {c.type} COMMENT {json.dumps(c.comment)}" for c in added)
            self.spark.sql(f"ALTER TABLE delta.`{self.path(name)}` ADD COLUMNS ({columns})")

    def renew_checks(self, name: str) -> None:
        """Give a table with the schema's columns the schema's CHECK constraints, where it has others."""
        table = f"delta.`{self.path(name)}`"
        found = self.spark.sql(f"DESCRIBE DETAIL {table}").collect()[0]["properties"]
        for constraint, expression in TABLES[name].checks:
            if found.get(f"delta.constraints.{constraint}") != expression:
                self.spark.sql(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}")
                self.spark.sql(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} CHECK ({expression})")

    def files(self, name: str, version: int, condition: str) -> tuple[list[str], int]:
        """The live files of a version that may hold rows of ``condition``, and how many rows it has."""
        rows = self.read(name, version).where(condition)
        return sorted(rows.inputFiles()), rows.count()

    def keep_state(self, name: str, save: Callable[[Path], None]) -> None:
        """Store a folder of fitted state beside the tables, once: its name holds the hash of its content."""
        import fsspec

        fs, target = fsspec.core.url_to_fs(f"{self.root}/_{name}")
        if fs.exists(f"{target}/{_COMPLETE}"):
            return
        with tempfile.TemporaryDirectory() as folder:
            save(Path(folder))
            for file, content in folder_bytes(folder).items():
                fs.makedirs(f"{target}/{file}".rpartition("/")[0], exist_ok=True)
                fs.pipe_file(f"{target}/{file}", content)
        fs.pipe_file(f"{target}/{_COMPLETE}", b"")

    def state(self, name: str) -> dict[str, bytes]:
        """The files of a folder that ``keep_state`` stored."""
        import fsspec

        fs, target = fsspec.core.url_to_fs(f"{self.root}/_{name}")
        files = {file[len(target) + 1 :]: fs.cat_file(file) for file in fs.find(target)}
        if files.pop(_COMPLETE, None) is None:
            raise XmerError(f"{self.root}/_{name} is missing or incomplete; run the extract job again")
        return files

    def _commit(self, name: str, version: int, commit: Commit, write: Callable[[], object]) -> int:
        """Do a write whose commit must be the next after ``version``; returns the table's version.

        An XmerError where another's commit stands there. A write may fail although its commit is there, such
        as where the answer was lost: then it has not failed.
        """
        path, transaction = self.path(name), commit.transaction(name)
        try:
            write()
        except Exception as error:
            if not commits.made(path, version + 1, transaction):
                raise
            log.warning(_NOT_FAILED, path, error)
        if self.version(name) == version:  # there was nothing to do, or it was done before
            return version
        if not commits.made(path, version + 1, transaction):
            raise XmerError(f"{path}: {commits.MEANWHILE}")
        return version + 1

    @contextmanager
    def _once(self, name: str, version: int, commit: Commit) -> Iterator[None]:
        """Mark the one commit made inside with the run's transaction id and note.

        A state-based write is the same however often it runs, so the transaction's number is the
        version that it makes: a repetition on top of itself finds nothing to do, and a run
        that must write again after another one is not mistaken for a repetition.
        """
        conf = self.spark.conf
        settings = {
            "spark.databricks.delta.write.txnAppId": commit.transaction(name),
            "spark.databricks.delta.write.txnVersion": str(version + 1),
            "spark.databricks.delta.commitInfo.userMetadata": commit.note(),
        }
        for key, value in settings.items():
            conf.set(key, value)
        try:
            yield
        finally:
            for key in settings:
                conf.unset(key)


def add_rows(
    path: str, rows: Sequence[Mapping[str, Any]], transaction: str, commit: Commit, seen: int | None = None
) -> int:
    """Append rows to a table by deltalake, unless the transaction is there; returns the version.

    An XmerError where the newest version is not the one that was ``seen``.
    """
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError

    table = DeltaTable(path)
    if table.transaction_version(transaction) is not None:
        return int(table.version())
    if seen is not None and table.version() != seen:
        raise XmerError(f"{path}: {commits.MEANWHILE}")
    properties = CommitProperties(
        custom_metadata={"userMetadata": commit.note()},
        app_transactions=[Transaction(transaction, 1)],
        max_commit_retries=None if seen is None else 0,  # the next version, or none
    )
    schema = pa.schema(table.schema().to_arrow())
    try:
        write_deltalake(
            table, pa.Table.from_pylist(list(rows), schema), mode="append", commit_properties=properties
        )
    except Exception as error:
        table = DeltaTable(path)
        if table.transaction_version(transaction) is None:
            if isinstance(error, CommitFailedError):
                raise XmerError(f"{path}: {commits.MEANWHILE}") from error
            raise
        log.warning(_NOT_FAILED, path, error)
    return int(table.version())
