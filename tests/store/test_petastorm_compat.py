"""petastorm on today's pyarrow and numpy, for those who use its readers directly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xmer_spark.store.petastorm_compat import load_petastorm

petastorm = load_petastorm()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Hive folders by kind and day, a file in each, beside what Spark leaves there."""
    for kind, day in [("a b", 1), ("a b", 2), ("c%2Fd", 1)]:
        path = tmp_path / f"kind={kind}" / f"day={day}"
        path.mkdir(parents=True)
        pq.write_table(pa.table({"x": [day * 10, day * 10 + 1]}), path / "part-0.parquet")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "_delta_log").mkdir()
    pq.write_table(pa.table({"y": [1]}), tmp_path / "_delta_log" / "1.parquet")
    return tmp_path.as_uri()


def test_a_folder_is_read_with_its_partitions(folder: str) -> None:
    with petastorm.make_batch_reader(folder, workers_count=1, shuffle_row_groups=False) as reader:
        rows = [row for batch in reader for row in zip(batch.kind, batch.day, batch.x, strict=True)]
    assert rows == [
        ("a b", 1, 10), ("a b", 1, 11), ("a b", 2, 20), ("a b", 2, 21), ("c/d", 1, 10), ("c/d", 1, 11),
    ]  # fmt: skip


def test_a_predicate_chooses_rows(folder: str) -> None:
    from petastorm.predicates import in_lambda

    predicate = in_lambda(["x"], lambda x: x % 2 == 1)
    with petastorm.make_batch_reader(folder, reader_pool_type="dummy", predicate=predicate) as reader:
        assert sorted(int(x) for batch in reader for x in batch.x) == [11, 11, 21]


def test_filters_are_refused_instead_of_ignored(folder: str) -> None:
    with pytest.raises(ValueError, match="filters are not supported"):
        petastorm.make_batch_reader(folder, filters=[("x", "<", 11)])


def test_a_dataset_with_a_unischema_is_read(tmp_path: Path) -> None:
    from petastorm.codecs import CompressedImageCodec, NdarrayCodec
    from petastorm.etl.dataset_metadata import ROW_GROUPS_PER_FILE_KEY, _generate_unischema_metadata
    from petastorm.pytorch import DataLoader
    from petastorm.unischema import Unischema, UnischemaField
    from petastorm.utils import add_to_dataset_metadata

    from xmer_spark.store.petastorm_compat import LocalFileSystem, ParquetDataset

    image = UnischemaField("image", np.uint8, (4, 4, 3), CompressedImageCodec("png"), False)
    array = UnischemaField("array", np.float32, (5,), NdarrayCodec(), False)
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (6, 4, 4, 3), dtype=np.uint8)
    arrays = random.standard_normal((6, 5), dtype=np.float32)
    columns = {
        "image": [bytes(image.codec.encode(image, value)) for value in images],
        "array": [bytes(array.codec.encode(array, value)) for value in arrays],
    }
    pq.write_table(pa.table(columns), tmp_path / "part-0.parquet")
    dataset = ParquetDataset(str(tmp_path), LocalFileSystem())
    _generate_unischema_metadata(dataset, Unischema("Pictures", [image, array]))
    add_to_dataset_metadata(dataset, ROW_GROUPS_PER_FILE_KEY, json.dumps({"part-0.parquet": 1}))

    reader = petastorm.make_reader(tmp_path.as_uri(), workers_count=1, shuffle_row_groups=False)
    with DataLoader(reader, batch_size=6) as loader:
        (batch,) = loader
    np.testing.assert_array_equal(batch["image"], images)
    np.testing.assert_array_equal(batch["array"], arrays)


def test_short_reads_with_many_workers_lose_no_row(folder: str) -> None:
    for _ in range(50):
        with petastorm.make_batch_reader(folder, workers_count=4) as reader:
            assert sum(len(batch.x) for batch in reader) == 6


def test_importing_the_loaders_imports_nothing_heavy_and_petastorm_changes_no_other_module() -> None:
    code = """if True:
        import json, sys
        import numpy, pyarrow, pyarrow.parquet
        import xmer_spark.store.vectors
        from xmer_spark.store.petastorm_compat import load_petastorm
        heavy = [name for name in ("petastorm", "torch", "pyspark") if name in sys.modules]
        load_petastorm()
        changed = [name for name in ("unicode_", "string_") if name in vars(numpy)]
        legacy = ("localfs", "hdfs", "filesystem", "LocalFileSystem")
        changed += [name for name in legacy if hasattr(pyarrow, name)]
        changed += [name for name in ("pyarrow.hdfs", "pyarrow.filesystem") if name in sys.modules]
        print(json.dumps([heavy, changed, pyarrow.parquet.ParquetDataset.__module__]))
    """
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert json.loads(printed) == [[], [], "pyarrow.parquet.core"]
