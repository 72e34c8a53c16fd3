from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F

from xmer_spark.errors import XmerError
from xmer_spark.schema import METRICS, REJECTS, TABLES
from xmer_spark.store.delta import Commit, Warehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COMMIT = Commit("run-1", "test")


@pytest.fixture
def warehouse(spark: SparkSession, tmp_path: Path) -> Warehouse:
    return Warehouse(spark, str(tmp_path / "warehouse"))


def rejects(spark: SparkSession, *keys: str, detail: str = "gone") -> DataFrame:
    rows = [("shop", key, "image", "missing_file", detail, None) for key in keys]
    return spark.createDataFrame(rows, REJECTS.ddl)


def metrics(spark: SparkSession, *names: str) -> DataFrame:
    return spark.createDataFrame(
        [("run", "test", name, 1.0, None, None, None) for name in names], METRICS.ddl
    )


def history(warehouse: Warehouse, name: str) -> Any:
    """What the last commit of a table notes of itself."""
    from delta.tables import DeltaTable

    return json.loads(
        DeltaTable.forPath(warehouse.spark, warehouse.path(name)).history(1).first()["userMetadata"]
    )


def keys(frame: DataFrame) -> list[str]:
    return sorted(row["key"] for row in frame.collect())


def test_every_table_of_the_schema_can_be_created(warehouse: Warehouse) -> None:
    for name in TABLES:
        warehouse.create(name)
        assert warehouse.read(name).columns == TABLES[name].column_names


def test_a_table_that_is_not_there_reads_as_empty(warehouse: Warehouse) -> None:
    assert warehouse.read("rejects").isEmpty()


def test_a_sync_makes_the_table_equal_to_the_rows(warehouse: Warehouse) -> None:
    warehouse.sync("rejects", rejects(warehouse.spark, "a", "b"), COMMIT)
    warehouse.sync("rejects", rejects(warehouse.spark, "b", "c"), COMMIT)
    assert keys(warehouse.read("rejects")) == ["b", "c"]


def test_a_sync_of_the_same_rows_makes_no_commit(warehouse: Warehouse) -> None:
    first = warehouse.sync("rejects", rejects(warehouse.spark, "a", "b"), COMMIT)
    again = warehouse.sync("rejects", rejects(warehouse.spark, "b", "a"), Commit("run-2", "test"))
    assert again == first


def test_a_sync_writes_only_the_rows_that_differ(warehouse: Warehouse) -> None:
    metric: Any = lambda name, value: ("run", "job", name, value, None, None, None)  # noqa: E731
    create = warehouse.spark.createDataFrame
    warehouse.sync("metrics", create([metric("a", 1.0), metric("b", 2.0)], METRICS.ddl), COMMIT)
    version = warehouse.sync("metrics", create([metric("a", 1.0), metric("b", 3.0)], METRICS.ddl), COMMIT)
    changes = (
        warehouse.spark.read.format("delta")
        .option("readChangeFeed", "true")
        .option("startingVersion", version)
        .load(warehouse.path("metrics"))
    )
    assert {(row["name"], row["_change_type"]) for row in changes.collect()} == {
        ("b", "update_preimage"),
        ("b", "update_postimage"),
    }


def test_a_scope_leaves_the_rest_of_the_table_alone(warehouse: Warehouse) -> None:
    warehouse.sync("rejects", rejects(warehouse.spark, "a", "b"), COMMIT)
    warehouse.sync("rejects", rejects(warehouse.spark, "c"), COMMIT, scope="key = 'b'")
    assert keys(warehouse.read("rejects")) == ["a", "c"]


def test_a_row_that_is_both_replaced_and_gone_is_replaced(warehouse: Warehouse) -> None:
    warehouse.sync("rejects", rejects(warehouse.spark, "a", "b"), COMMIT)
    both = rejects(warehouse.spark, "a").withColumn("bytes_seen", F.lit(1))
    warehouse.merge("rejects", both, gone=rejects(warehouse.spark, "a", "b"), commit=COMMIT)
    left = warehouse.read("rejects").collect()
    assert [(row["key"], row["bytes_seen"]) for row in left] == [("a", 1)]


def test_an_append_of_the_same_run_is_not_doubled(warehouse: Warehouse) -> None:
    for _ in range(2):
        warehouse.append("rejects", rejects(warehouse.spark, "a"), COMMIT)
    assert keys(warehouse.read("rejects")) == ["a"]
    warehouse.append("rejects", rejects(warehouse.spark, "b"), Commit("run-2", "test"))
    assert keys(warehouse.read("rejects")) == ["a", "b"]


def test_an_old_version_can_still_be_read(warehouse: Warehouse) -> None:
    first = warehouse.sync("rejects", rejects(warehouse.spark, "a"), COMMIT)
    warehouse.sync("rejects", rejects(warehouse.spark, "b"), COMMIT)
    assert keys(warehouse.read("rejects", first)) == ["a"]


def test_a_row_that_breaks_a_constraint_is_refused_and_nothing_is_written(warehouse: Warehouse) -> None:
    warehouse.create("rejects")
    wrong = warehouse.spark.createDataFrame([("shop", "a", "image", "bad luck", "?", None)], REJECTS.ddl)
    with pytest.raises(Exception, match="reason_known"):
        warehouse.sync("rejects", wrong, COMMIT)
    assert warehouse.read("rejects").isEmpty()


def test_the_history_names_the_run(warehouse: Warehouse) -> None:
    warehouse.sync("rejects", rejects(warehouse.spark, "a"), COMMIT)
    assert history(warehouse, "rejects") == {"run_id": "run-1", "job": "test"}


def test_state_is_kept_once_and_read_back(warehouse: Warehouse) -> None:
    saved: list[Path] = []

    def save(folder: Path) -> None:
        saved.append(folder)
        (folder / "part").mkdir()
        (folder / "part" / "file").write_bytes(b"x")

    for _ in range(2):
        warehouse.keep_state("extractors/e1", save)
    assert warehouse.state("extractors/e1") == {"part/file": b"x"}
    assert len(saved) == 1


def test_the_tables_are_read_without_a_jvm(warehouse: Warehouse) -> None:
    import subprocess
    import sys

    warehouse.sync("rejects", rejects(warehouse.spark, "a", "b"), COMMIT)
    program = (
        "import sys; from deltalake import DeltaTable; "
        "from xmer_spark.store.published import native_dataset; "
        "print(native_dataset(DeltaTable(sys.argv[1]), sys.argv[1]).to_table().num_rows)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, warehouse.path("rejects")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "2"


def test_a_few_rows_at_hand_are_added_as_others_are_appended(warehouse: Warehouse) -> None:
    row = {"run_id": "run-1", "job": "test", "name": "recall", "value": 0.5, "low": 0.4, "high": None}
    for _ in range(2):  # the same run again doubles nothing
        version = warehouse.add("metrics", [row], COMMIT)
    added = warehouse.read("metrics").collect()
    assert [each.asDict() for each in added] == [{**row, "detail": None}]
    assert warehouse.version("metrics") == version == 1
    later = metrics(warehouse.spark, "precision")
    assert warehouse.append("metrics", later, COMMIT) == 1  # whoever wrote it, the run's transaction is there
    assert warehouse.append("metrics", later, Commit("run-2", "test")) == 2
    last = warehouse.add("metrics", [{**row, "name": "f1"}], Commit("run-3", "other"))
    assert {each["name"] for each in warehouse.read("metrics", last).collect()} == {
        "recall",
        "precision",
        "f1",
    }
    assert history(warehouse, "metrics") == {"run_id": "run-3", "job": "other"}


def test_what_breaks_a_constraint_is_not_added(warehouse: Warehouse) -> None:
    row = {"source": "shop", "key": "a", "reason": "bad luck", "detail": "?"}
    with pytest.raises(Exception, match="failed validation"):
        warehouse.add("rejects", [row], COMMIT)
    assert warehouse.version("rejects") == 0


def test_a_commit_that_is_there_has_not_failed(warehouse: Warehouse) -> None:
    """The answer to a commit may get lost on its way: whether it happened, the log says."""
    rows = rejects(warehouse.spark, "a")
    warehouse.create("rejects")

    def lost(written: bool) -> None:
        if written:
            warehouse.append("rejects", rows, COMMIT)
        raise ConnectionError("reset by peer")

    with pytest.raises(ConnectionError):
        warehouse._commit("rejects", 0, COMMIT, lambda: lost(written=False))
    assert warehouse._commit("rejects", 0, COMMIT, lambda: lost(written=True)) == 1
    assert keys(warehouse.read("rejects")) == ["a"]


@pytest.mark.parametrize("before", [True, False])
def test_a_commit_of_another_in_between_stops_the_writer(warehouse: Warehouse, before: bool) -> None:
    warehouse.append("rejects", rejects(warehouse.spark, "a"), COMMIT)

    def write() -> None:
        """The writer's own commit, and another's: before it, so that it changes what nobody has looked at."""
        others = [("b", Commit("run-2", "test")), ("c", Commit("run-3", "test"))]
        for key, commit in others if before else reversed(others):
            warehouse.append("rejects", rejects(warehouse.spark, key), commit)

    if before:
        with pytest.raises(XmerError, match="another run has written here meanwhile"):
            warehouse._commit("rejects", 1, Commit("run-3", "test"), write)
    else:
        assert warehouse._commit("rejects", 1, Commit("run-3", "test"), write) == 2
