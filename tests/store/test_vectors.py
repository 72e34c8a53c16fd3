"""Reading features through petastorm: every live row exactly once, in a known order, or an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xmer_spark.errors import XmerError
from xmer_spark.store import vectors as loaders
from xmer_spark.store.vectors import batches, read_vectors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS, DIMENSIONS = 1000, 8
COLUMNS = ["item_key", "vector"]


def write(path: Path, keys: Any, vectors: Any, row_group_size: int = 100) -> str:
    """Write a file as the features table has it, strings included."""
    table = pa.table(
        {
            "item_id": [f"source/{key}" for key in range(len(keys))],
            "item_key": pa.array(keys, pa.int64()),
            "modality": ["image"] * len(keys),
            "vector": pa.array(list(vectors), pa.list_(pa.float32())),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=row_group_size)
    return str(path)


@pytest.fixture(scope="module")
def features() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    keys = random.integers(-(2**63), 2**63 - 1, ROWS)
    return keys, random.standard_normal((ROWS, DIMENSIONS), dtype=np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, features: tuple[np.ndarray, np.ndarray]) -> list[str]:
    """Four files of 250 rows in three row groups each."""
    folder = tmp_path_factory.mktemp("features") / "extractor=efficientnet-v1-abc"
    keys, vectors = features
    parts = [slice(start, start + 250) for start in range(0, ROWS, 250)]
    return [
        write(folder / f"part-{number}.parquet", keys[part], vectors[part])
        for number, part in enumerate(parts)
    ]


def read_keys(files: list[str], rows: int = ROWS, **options: Any) -> np.ndarray:
    return np.concatenate([batch["item_key"].numpy() for batch in batches(files, rows, COLUMNS, **options)])


def test_vectors_come_ordered_by_key(files: list[str], features: tuple[np.ndarray, np.ndarray]) -> None:
    keys, vectors = read_vectors(files, ROWS, batch_size=64)
    order = np.argsort(features[0])
    assert keys.dtype == np.int64
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(keys, features[0][order])
    np.testing.assert_array_equal(vectors, features[1][order])


def test_only_the_wanted_keys_are_gathered(files: list[str], features: tuple[np.ndarray, np.ndarray]) -> None:
    keys, vectors = read_vectors(files, ROWS, keys=features[0][[700, 3, 90]])
    order = np.argsort(features[0][[700, 3, 90]])
    np.testing.assert_array_equal(keys, features[0][[700, 3, 90]][order])
    np.testing.assert_array_equal(vectors, features[1][[700, 3, 90]][order])


def test_a_wanted_key_that_is_nowhere_is_named(files: list[str]) -> None:
    with pytest.raises(XmerError, match=r"1 of 1 items have no vector, such as item_key 7"):
        read_vectors(files, ROWS, keys=np.array([7]))


def test_no_files_give_nothing() -> None:
    keys, vectors = read_vectors([], 0)
    assert keys.shape == (0,)
    assert vectors.shape == (0, 0)
    assert list(batches([], 0, COLUMNS, shuffle_seed=1)) == []


def test_no_files_where_rows_are_expected_are_an_error() -> None:
    with pytest.raises(XmerError, match="expected 5 rows, but the 0 files hold 0"):
        read_vectors([], 5)


def test_files_without_rows_give_nothing(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.parquet", [], [])
    assert read_vectors([empty], 0)[1].shape == (0, 0)
    assert list(batches([empty], 0, COLUMNS, shuffle_seed=1)) == []


def test_every_row_comes_once_and_in_the_same_order_in_twenty_reads(
    files: list[str], features: tuple[np.ndarray, np.ndarray]
) -> None:
    for _ in range(20):
        np.testing.assert_array_equal(read_keys(files, batch_size=64), features[0])


def test_the_order_does_not_depend_on_the_order_of_the_list(
    files: list[str], features: tuple[np.ndarray, np.ndarray]
) -> None:
    np.testing.assert_array_equal(read_keys(files[::-1]), features[0])


@pytest.mark.parametrize("pool_rows", [128, loaders.SHUFFLE_ROWS])
def test_a_shuffle_is_repeated_by_its_seed_and_differs_between_seeds_and_epochs(
    files: list[str],
    features: tuple[np.ndarray, np.ndarray],
    pool_rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loaders, "SHUFFLE_ROWS", pool_rows)
    first = read_keys(files, batch_size=64, shuffle_seed=1, epochs=2)
    np.testing.assert_array_equal(first, read_keys(files, batch_size=64, shuffle_seed=1, epochs=2))
    orders = [first[:ROWS], first[ROWS:], read_keys(files, batch_size=64, shuffle_seed=2), features[0]]
    assert len({tuple(order) for order in orders}) == 4
    assert len({tuple(sorted(order)) for order in orders}) == 1


def test_shuffled_rows_keep_their_vectors(
    files: list[str], features: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaders, "SHUFFLE_ROWS", 128)
    place = {key: index for index, key in enumerate(features[0].tolist())}
    for batch in batches(files, ROWS, COLUMNS, batch_size=64, shuffle_seed=1):
        rows = [place[key] for key in batch["item_key"].tolist()]
        np.testing.assert_array_equal(batch["vector"].numpy(), features[1][rows])


def test_only_the_last_batch_of_an_epoch_is_smaller(files: list[str]) -> None:
    for seed in (None, 1):
        sizes = [len(batch["item_key"]) for batch in batches(files, ROWS, COLUMNS, 64, shuffle_seed=seed)]
        assert sizes == [64] * 15 + [40]


@pytest.mark.parametrize("seed", [None, 1])
def test_shards_are_disjoint_and_complete(
    files: list[str], features: tuple[np.ndarray, np.ndarray], seed: int | None
) -> None:
    shards = [read_keys(files, shuffle_seed=seed, cur_shard=shard, shard_count=5) for shard in range(5)]
    assert all(len(shard) for shard in shards)
    assert sorted(np.concatenate(shards)) == sorted(features[0])


def test_more_shards_than_row_groups_are_an_error(files: list[str]) -> None:
    with pytest.raises(XmerError, match="fewer row groups than the 13 shards"):
        read_keys(files, cur_shard=0, shard_count=13)


def test_a_shard_out_of_range_is_an_error(files: list[str]) -> None:
    with pytest.raises(ValueError, match="cur_shard must be from 0 to 2, not 3"):
        read_keys(files, cur_shard=3, shard_count=3)


@pytest.mark.parametrize("rows", [ROWS - 1, ROWS + 1])
def test_another_number_of_rows_is_an_error(files: list[str], rows: int) -> None:
    with pytest.raises(
        XmerError, match=rf"expected {rows} rows, but the 4 files hold 1000.*part-0.*\(250 rows\)"
    ):
        read_vectors(files, rows)


def test_a_file_left_out_or_listed_twice_is_an_error(files: list[str]) -> None:
    with pytest.raises(XmerError, match="the 3 files hold 750"):
        read_vectors(files[:3], ROWS)
    with pytest.raises(XmerError, match="the 5 files hold 1250"):
        read_vectors([*files, files[0]], ROWS)


def test_rows_lost_on_the_way_are_an_error(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from xmer_spark.store.petastorm_compat import ParquetDatasetPiece

    whole = ParquetDatasetPiece.read
    monkeypatch.setattr(
        ParquetDatasetPiece, "read", lambda *args, **options: whole(*args, **options).slice(1)
    )
    with pytest.raises(XmerError, match="petastorm gave 988 rows of 1000"):
        read_keys(files)


def test_a_stale_file_beside_the_live_ones_is_not_read(
    files: list[str], features: tuple[np.ndarray, np.ndarray]
) -> None:
    stale = write(Path(files[0]).with_name("part-9.parquet"), [1], [[0.0] * DIMENSIONS])
    assert 1 not in read_keys(files)
    Path(stale).unlink()


def test_a_repeated_key_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path / "twice.parquet", [5, 6, 5], [[1.0], [2.0], [3.0]])
    for keys in (None, np.array([5])):
        with pytest.raises(XmerError, match="an item_key occurs more than once"):
            read_vectors([file], 3, keys)


@pytest.mark.parametrize("row_group_size", [1, 100])
def test_vectors_of_unequal_lengths_are_an_error(tmp_path: Path, row_group_size: int) -> None:
    file = write(tmp_path / "ragged.parquet", [1, 2], [[1.0], [2.0, 3.0]], row_group_size)
    with pytest.raises(XmerError, match=r"differ in length: 1 in .*ragged.parquet, 2 in"):
        read_vectors([file], 2)


@pytest.mark.parametrize(
    ("keys", "vectors", "column"),
    [
        ([1, None], [[1.0], [2.0]], "item_key"),
        ([1, 2], [[1.0, 2.0], None], "vector"),
        ([1], [None], "vector"),
    ],
)
def test_null_is_an_error(tmp_path: Path, keys: list[Any], vectors: list[Any], column: str) -> None:
    file = write(tmp_path / "null.parquet", keys, vectors)
    with pytest.raises(XmerError, match=rf"column '{column}' holds NULL in 1 rows of .*null.parquet"):
        read_vectors([file], len(keys))


@pytest.mark.parametrize("column", ["item_id", "nowhere", "item_.*"])
def test_a_column_that_is_no_number_is_an_error(files: list[str], column: str) -> None:
    with pytest.raises(XmerError, match="no column"):
        list(batches(files, ROWS, [column]))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    with pytest.raises(XmerError, match=r"broken\.parquet"):
        read_vectors([str(broken)], 1)
    broken.write_bytes(b"no parquet at all")
    with pytest.raises(XmerError, match=r"broken\.parquet"):
        read_vectors([str(broken)], 1)


@pytest.mark.parametrize("name", ["a b=c.parquet", "50%25 off.parquet", "ä#?;.parquet"])
@pytest.mark.parametrize("address", ["", "file:", "file://"])
def test_odd_names_are_read_as_they_stand(tmp_path: Path, name: str, address: str) -> None:
    path = tmp_path / "extractor=tf-idf v1" / name
    write(path, [1], [[2.0]])
    assert read_vectors([f"{address}{path}"], 1)[1].tolist() == [[2.0]]


def test_other_filesystems_are_read_by_url(tmp_path: Path, files: list[str]) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/part 1.parquet", Path(files[0]).read_bytes())
    assert len(read_keys(["memory://bucket/part 1.parquet"], 250)) == 250


def test_large_vectors_are_read(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((300, 20_000), dtype=np.float32)
    file = write(tmp_path / "large.parquet", np.arange(300), vectors)
    np.testing.assert_array_equal(read_vectors([file], 300, batch_size=7)[1], vectors)


def test_a_read_given_up_early_leaves_no_thread(files: list[str]) -> None:
    import threading

    before = set(threading.enumerate())
    read = batches(files, ROWS, COLUMNS, batch_size=10)
    next(read)
    read.close()
    assert set(threading.enumerate()) <= before


def test_an_interpreter_that_reads_and_ends_does_so_cleanly(files: list[str]) -> None:
    code = (
        f"from xmer_spark.store.vectors import read_vectors; print(len(read_vectors({files!r}, {ROWS})[0]))"
    )
    for _ in range(2):  # an import of torch and petastorm each
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{ROWS}\n", "")


def test_exactly_the_live_rows_of_a_delta_table_are_read(spark: SparkSession, tmp_path: Path) -> None:
    from delta import DeltaTable

    path = str(tmp_path / "my features")
    rows = spark.range(200, numPartitions=1).selectExpr(
        "concat('s/', id) AS item_id",
        "id AS item_key",
        "concat('net v1/', id % 2) AS extractor",
        "transform(sequence(1, 4), x -> float(id * x)) AS vector",
    )
    rows.where("id < 150").write.format("delta").partitionBy("extractor").save(path)
    rows.where("id >= 150").write.format("delta").mode("append").save(path)
    DeltaTable.forPath(spark, path).delete("item_key BETWEEN 20 AND 59")

    for version, expected in [(0, set(range(150))), (2, set(range(20)) | set(range(60, 200)))]:
        table = spark.read.format("delta").option("versionAsOf", version).load(path)
        live = table.where("extractor = 'net v1/0'")
        keys, vectors = read_vectors(live.inputFiles(), live.count())
        assert set(keys.tolist()) == {key for key in expected if key % 2 == 0}
        np.testing.assert_array_equal(vectors, keys[:, None] * np.arange(1, 5, dtype=np.float32))
