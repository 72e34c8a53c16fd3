"""The only writer of Delta: create from the schema, exactly-once commits, pinned reads, history.

Every write says what a table's rows *should be* and commits only the difference: rows that
are the same are not written again, and where nothing differs there is no commit. Repeating a
write, or redoing one that a kill cut short, therefore changes nothing.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xmer_spark.errors import XmerError
from xmer_spark.method import folder_bytes
from xmer_spark.schema import TABLES, Table
from xmer_spark.store.layout import root_of

if TYPE_CHECKING:
    from delta.tables import DeltaTableBuilder
    from pyspark.sql import Column, DataFrame, SparkSession

log = logging.getLogger(__name__)

_COMMIT = re.compile(r"/(\d{20})\.json$")
_OPERATION, _UPSERT, _DELETE = "__operation", "upsert", "delete"
_HASH = "__hash"
_COMPLETE = ".complete"


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
        return self._newest(name) is not None

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
        newest = self._newest(name)
        if newest is None:
            raise XmerError(f"{self.path(name)} is no Delta table, or its log is gone")
        return newest

    def _newest(self, name: str) -> int | None:
        """The number of a table's last commit, which is the name of its file (Delta's protocol).

        Asking Spark for it costs a job, and a run asks dozens of times.
        """
        import fsspec

        fs, folder = fsspec.core.url_to_fs(f"{self.path(name)}/_delta_log")
        try:
            names = fs.ls(folder, detail=False, refresh=True)
        except FileNotFoundError:
            return None
        return max((int(found[1]) for found in map(_COMMIT.search, names) if found), default=None)

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

    def sync(self, name: str, rows: DataFrame, commit: Commit, scope: str | None = None) -> int:
        """Make the table's rows, or those within the SQL condition ``scope``, equal to ``rows``.

        One MERGE writes what differs; where nothing does, there is no commit. Returns the version.
        """
        from pyspark import StorageLevel

        self.create(name)
        if self.version(name) == 0:  # there is nothing to compare the first rows with
            return self.append(name, rows, commit)
        table = TABLES[name]
        present = self.read(name)
        if scope is not None:
            present = present.where(scope)
        rows = _conform(rows, table).persist(StorageLevel.DISK_ONLY)
        try:
            return self.merge(name, _changed(rows, present, table), _gone(rows, present, table), commit)
        finally:
            rows.unpersist()

    def merge(self, name: str, upserts: DataFrame, gone: DataFrame | None, commit: Commit) -> int:
        """Insert or replace ``upserts`` and delete the keys in ``gone``, in one commit or in none."""
        from delta.tables import DeltaTable
        from pyspark import StorageLevel
        from pyspark.sql import functions as F

        self.create(name)
        if self.version(name) == 0:
            return self.append(name, upserts, commit)
        table = TABLES[name]
        changes = _conform(upserts, table).withColumn(_OPERATION, F.lit(_UPSERT))
        if gone is not None:
            # A row whose key stays, with other values, is replaced: it cannot be deleted in the same merge.
            leaving = _gone(changes, gone, table)
            deletes = leaving.withColumn(_OPERATION, F.lit(_DELETE))
            changes = changes.unionByName(deletes, allowMissingColumns=True)
        changes = changes.persist(StorageLevel.DISK_ONLY)
        try:
            if changes.isEmpty():
                return self.version(name)
            same_key = " AND ".join(f"target.{column} <=> changes.{column}" for column in table.key)
            values: dict[str, Any] = {column: f"changes.{column}" for column in table.column_names}
            with self._once(name, commit):
                (
                    DeltaTable.forPath(self.spark, self.path(name))
                    .alias("target")
                    .merge(changes.alias("changes"), same_key)
                    .whenMatchedDelete(f"changes.{_OPERATION} = '{_DELETE}'")
                    .whenMatchedUpdate(set=values)
                    .whenNotMatchedInsert(f"changes.{_OPERATION} = '{_UPSERT}'", values=values)
                    .execute()
                )
            return self.version(name)
        finally:
            changes.unpersist()

    def append(self, name: str, rows: DataFrame, commit: Commit) -> int:
        """Append rows in one commit, which a repetition of the same run does not double."""
        self.create(name)
        (
            _conform(rows, TABLES[name])
            .write.format("delta")
            .mode("append")
            .option("txnAppId", commit.transaction(name))
            .option("txnVersion", 1)
            .option("userMetadata", commit.note())
            .save(self.path(name))
        )
        return self.version(name)

    def add(self, name: str, rows: Sequence[Mapping[str, Any]], commit: Commit) -> int:
        """Append a few rows that are at hand, by column, as ``append`` does.

        Where the table lies here, that is done without Spark, which takes half a second for one row.
        """
        self.create(name)
        if "://" in self.root:
            return self.append(name, self.spark.createDataFrame(rows, TABLES[name].ddl), commit)
        return _add(self.path(name), rows, commit.transaction(name), commit)

    def replace(self, name: str, rows: DataFrame, commit: Commit) -> int:
        """Make the table anew as the schema has it, with these rows; earlier versions stay as they were.

        That takes two commits: what is published must not be a table that is being replaced.
        """
        from delta.tables import DeltaTable

        # Delta's createOrReplace only looks for a table of that name, and never finds one by its path.
        how = DeltaTable.replace if self.exists(name) else DeltaTable.create
        self._build(name, how(self.spark))
        with self._once(name, commit):
            _conform(rows, TABLES[name]).write.format("delta").mode("append").save(self.path(name))
        return self.version(name)

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

    @contextmanager
    def _once(self, name: str, commit: Commit) -> Iterator[None]:
        """Mark the one commit made inside with the run's transaction id and note.

        A state-based write is the same however often it runs, so the transaction's number is the
        version that it starts from: a repetition on top of itself finds nothing to do, and a run
        that must write again after another one is not mistaken for a repetition.
        """
        conf = self.spark.conf
        settings = {
            "spark.databricks.delta.write.txnAppId": commit.transaction(name),
            "spark.databricks.delta.write.txnVersion": str(self.version(name) + 1),
            "spark.databricks.delta.commitInfo.userMetadata": commit.note(),
        }
        for key, value in settings.items():
            conf.set(key, value)
        try:
            yield
        finally:
            for key in settings:
                conf.unset(key)


def _add(path: str, rows: Sequence[Mapping[str, Any]], transaction: str, commit: Commit) -> int:
    """Append rows to a local table by deltalake, unless the transaction is there; returns the version."""
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

    table = DeltaTable(path)
    if table.transaction_version(transaction) is None:
        properties = CommitProperties(
            custom_metadata={"userMetadata": commit.note()}, app_transactions=[Transaction(transaction, 1)]
        )
        schema = pa.schema(table.schema().to_arrow())
        write_deltalake(
            table, pa.Table.from_pylist(list(rows), schema), mode="append", commit_properties=properties
        )
    return int(table.version())


def _conform(rows: DataFrame, table: Table) -> DataFrame:
    """Exactly the table's columns, in its order and types."""
    from pyspark.sql import functions as F

    return rows.select(*(F.col(column.name).cast(column.type).alias(column.name) for column in table.columns))


def _row_hash(table: Table) -> Column:
    from pyspark.sql import functions as F

    return F.xxhash64(*table.column_names)


def _same_key(left: DataFrame, right: DataFrame, table: Table) -> Column:
    return reduce(lambda a, b: a & b, (left[column].eqNullSafe(right[column]) for column in table.key))


def _changed(rows: DataFrame, present: DataFrame, table: Table) -> DataFrame:
    """The rows that are new or differ from those present under the same key."""
    from pyspark.sql import functions as F

    new = rows.withColumn(_HASH, _row_hash(table)).alias("new")
    old = present.select(*table.key, _row_hash(table).alias("old_hash")).alias("old")
    same = reduce(lambda a, b: a & b, (F.col(f"new.{c}").eqNullSafe(F.col(f"old.{c}")) for c in table.key))
    unchanged = same & (F.col(f"new.{_HASH}") == F.col("old.old_hash"))
    return new.join(old, unchanged, "left_anti").select(*table.column_names)


def _gone(rows: DataFrame, present: DataFrame, table: Table) -> DataFrame:
    """The keys that are present and should not be."""
    old, new = present.select(*table.key), rows.select(*table.key)
    return old.join(new, _same_key(old, new, table), "left_anti")
