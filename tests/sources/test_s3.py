"""Sources in an object store, read by Spark's tasks. The store is moto's, on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pictures import noise
from tests.sources.tables import Read
from xmer_spark.config import Ingest, Source
from xmer_spark.errors import SetupError
from xmer_spark.files import place
from xmer_spark.sources.fingerprint import fingerprint

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest.importorskip("s3fs", reason="s3fs is optional")
server = pytest.importorskip("moto.server", reason="moto is optional")

SHOP = {
    "name": "shop", "kind": "csv", "path": "s3://shop/shop.csv", "key": "sku",
    "fields": {"photo": {"type": "image", "file": "photos/{sku}.png"}, "price": {"type": "number"}},
}  # fmt: skip
STOCK = {
    "name": "stock", "kind": "parquet", "path": "s3a://shop/stock", "key": "sku", "label": "day",
    "fields": {"price": {"type": "number"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def settings() -> Iterator[dict[str, str]]:
    """What the environment says of a store that runs for these tests."""
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "anyone",
        "AWS_SECRET_ACCESS_KEY": "hidden",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    running.stop()


@pytest.fixture
def store(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The store with a shop's files in the bucket ``shop``, and its settings in the driver's environment."""
    import s3fs

    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()  # another test may have had other settings
    fs = s3fs.S3FileSystem()
    if not fs.exists("shop"):
        fs.mkdir("shop")
    fs.pipe_file("shop/shop.csv", b"sku,price\na,1\nb,2\nc,3\n")
    for name, content in {"a.png": noise(1), "b.png": b"", "": b""}.items():
        fs.pipe_file(f"shop/photos/{name}", content)
    table = pa.table({"sku": [f"k{row}" for row in range(5)], "price": [1.5, 2, 3, 4, 5]})
    pq.write_table(table, tmp_path / "part.parquet", row_group_size=2)
    fs.put_file(tmp_path / "part.parquet", "shop/stock/day=07/part.parquet")
    return fs


@pytest.fixture
def tasks(spark: SparkSession, store: Any, settings: dict[str, str]) -> Iterator[None]:
    """The same settings in the environment of Spark's tasks, as spark.executorEnv would put them there."""
    spark.sparkContext.environment.update(settings)
    yield
    for name in settings:
        del spark.sparkContext.environment[name]


@pytest.mark.usefixtures("tasks")
def test_tables_and_the_photographs_that_they_name_are_read_out_of_a_bucket(read: Read) -> None:
    found = read(SHOP, STOCK)
    assert sorted(found.records) == ["shop/a", "shop/b", "shop/c", *(f"stock/k{row}" for row in range(5))]
    assert [bytes(row["image"]) for row in found.items.values()] == [noise(1)]
    assert found.reasons() == {"shop/b": "unreadable_image", "shop/c": "missing_file"}
    assert found.records["stock/k0"]["fields"] == {"price": "1.5"}
    assert {row["label"] for name, row in found.records.items() if name.startswith("stock")} == {"07"}


def test_a_changed_object_is_noticed(store: Any) -> None:
    shop, stock = Source.model_validate(SHOP), Source.model_validate(STOCK)

    def seen() -> list[str]:
        return [fingerprint(source, Ingest(), Path()) for source in (shop, stock)]

    before = seen()
    assert seen() == before
    store.pipe_file("shop/photos/a.png", noise(2))
    replaced = seen()
    assert replaced[0] != before[0]
    assert replaced[1] == before[1]
    store.pipe_file("shop/stock/day=08/part.parquet", store.cat_file("shop/stock/day=07/part.parquet"))
    assert seen()[1] != replaced[1]
    store.rm("shop/stock/day=08", recursive=True)


def test_a_store_that_cannot_be_reached_is_named_without_its_credentials(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(SetupError, match=r"s3://shop/shop\.csv: cannot be read: .*credentials") as raised:
        place("s3://shop/shop.csv", Path()).is_file()
    s3fs.S3FileSystem.clear_instance_cache()
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(raised.value)
