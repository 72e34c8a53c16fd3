"""Sources at a URL: they read as local ones do, in the same bounds, and tell when they have changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

from tests.pictures import noise
from tests.sources.reading import read
from xmer_spark.config import Ingest, Source, Truth
from xmer_spark.errors import ConfigError, SetupError
from xmer_spark.files import place
from xmer_spark.sources.fingerprint import content_hash, fingerprint
from xmer_spark.sources.place import locate
from xmer_spark.sources.truth import entities

#: Keys, and the files that they name: some are there, others are not, or must not be used.
PHOTOS = {
    "1": "a.png", "2": "e\u0301.png", "3": "none.png", "4": "../secret.png", "5": "/etc/hostname",
    "6": "empty.png", "7": "heavy.png", "8": "folder", "9": "", "10": "x::file://etc/hostname",
    "11": "../photos/a.png", "12": "a" * 1100, "13": "sub/c.png",
}  # fmt: skip
PHOTO = {"key": "sku", "fields": {"photo": {"type": "image", "file": "photos/{photo}"}}}
TITLE = {"key": "sku", "fields": {"title": {"type": "text"}}}
VECTOR = {"fields": {"v": {"type": "vector", "variable": "x", "modality": "image"}}}
SOURCES: dict[str, dict[str, Any]] = {
    "csv": {"path": "shop.csv"} | PHOTO,
    "a folder of csv": {"kind": "csv", "path": "tables", "key": "sku", "fields": {"x": {"type": "number"}}},
    "csv of an old spreadsheet": {"kind": "csv", "path": "returns.csv"} | TITLE,
    "csv with a broken row": {"kind": "csv", "path": "broken.csv"} | TITLE,
    "json": {"path": "shop.jsonl"} | PHOTO,
    "a json array": {"kind": "json", "path": "array.json"} | TITLE,
    "parquet": {"path": "table", "key": "sku", "label": "day"}
    | {"fields": {"photo": {"type": "image", "file": "../photos/{photo}"}, "n": {"type": "number"}}},
    "images": {"path": "photos", "pattern": "{}"},
    "listed images": {"kind": "images", "path": "photos", "listing": "../shop.csv", "key": "sku"}
    | {"pattern": "{photo}"},
    "texts": {"path": "texts", "pattern": "{label}/{key}.txt"},
    "mat": {"path": "m.mat"} | VECTOR,
    "a listed mat": {"kind": "mat", "path": "m.mat", "listing": "mat.list", "key": "id"} | VECTOR,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    for name in ("photos/folder", "photos/sub", "texts/cat", "table/day=07", "tables/.hidden"):
        (root / name).mkdir(parents=True)
    pictures = {"a.png": noise(1), "\u00e9.png": noise(2), "empty.png": b"", "heavy.png": b"x" * 20_000}
    for name, content in pictures.items():
        (root / "photos" / name).write_bytes(content)
    (root / "photos/folder/b.png").write_bytes(noise(3))
    (root / "photos/sub/c.png").write_bytes(noise(4))
    (root / "secret.png").write_bytes(noise(5))
    rows = [{"sku": sku, "photo": photo} for sku, photo in PHOTOS.items()]
    (root / "shop.csv").write_text(
        "".join(f"{r['sku']},{r['photo']}\n" for r in [{"sku": "sku", "photo": "photo"}, *rows])
    )
    (root / "shop.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "array.json").write_text(json.dumps([{"sku": 1, "title": "one"}, {"sku": 2, "title": "two"}]))
    (root / "returns.csv").write_bytes(b"sku;title\r1;one\r2;two\r")
    (root / "broken.csv").write_text('sku,title\n1,one\n2,"open\n3,three\n4,four,five\n')
    for name in ("a.csv", "b.csv", ".hidden/c.csv"):
        (root / "tables" / name).write_text(f"sku,x\n{name},1\n")
    table = pa.Table.from_pylist([row | {"n": number} for number, row in enumerate(rows)])
    pq.write_table(table, root / "table/day=07/part-0.parquet", row_group_size=4)
    (root / "texts/cat/a.txt").write_text("a cat")
    (root / "texts/unlabelled.txt").write_text("a dog")
    savemat(root / "m.mat", {"x": np.arange(6.0).reshape(3, 2)})
    (root / "mat.list").write_text("id\na\nb\nc\n")
    return root


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The same folder by a URL."""
    if request.param == "file":
        yield f"file://{folder}"
        return
    memory = fsspec.filesystem("memory")
    memory.put(f"{folder}/", "/shop", recursive=True)
    yield "memory://shop"
    memory.rm("/shop", recursive=True)


def at(url: str, keys: dict[str, Any], name: str = "") -> dict[str, Any]:
    return {"kind": name} | keys | {"path": f"{url}/{keys['path']}"}


@pytest.mark.parametrize("name", list(SOURCES))
def test_a_source_at_a_url_reads_as_the_same_one_on_the_disk(name: str, url: str, folder: Path) -> None:
    keys = {"kind": name} | SOURCES[name]
    local = read(folder, limits={"max_file_bytes": 10_000}, **keys)
    remote = read(Path("/nowhere"), limits={"max_file_bytes": 10_000}, **at(url, keys))
    assert len(local.records) > 1 or name == "texts"
    assert remote.records == local.records
    assert sorted(remote.refusals, key=str) == sorted(local.refusals, key=str)


def test_what_a_row_names_cannot_lead_out_of_the_folder_of_its_url(url: str) -> None:
    found = read(Path("/nowhere"), limits={"max_file_bytes": 10_000}, **at(url, SOURCES["listed images"]))
    reasons = {key: reason for key, _, reason in found.refusals}
    assert list(found.records) == ["1", "2", "11", "13"]
    assert reasons == {
        "3": "missing_file", "4": "outside_root", "5": "outside_root", "6": "unreadable_image",
        "7": "file_too_large", "8": "missing_file", "9": "no_value", "10": "missing_file",
        "12": "missing_file",
    }  # fmt: skip
    assert found.records["2"]["items"]["image"] == noise(2)


def test_a_fingerprint_follows_what_lies_at_the_url(url: str) -> None:
    fs, inside = fsspec.core.url_to_fs(url)
    sources = {
        name: Source.model_validate({"name": "s"} | at(url, SOURCES[name], name))
        for name in ("csv", "images")
    }
    sources["csv"] = Source.model_validate({"name": "s", **at(url, SOURCES["csv"], "csv")})

    def seen() -> dict[str, str]:
        return {name: fingerprint(source, Ingest(), Path("/nowhere")) for name, source in sources.items()}

    before = seen()
    assert seen() == before
    fs.pipe_file(f"{inside}/photos/unnamed.png", noise(7))
    more = seen()
    assert more["csv"] == before["csv"]
    assert more["images"] != before["images"]
    fs.pipe_file(f"{inside}/photos/a.png", noise(8))
    replaced = seen()
    assert replaced["csv"] != more["csv"]
    assert replaced["images"] != more["images"]
    fs.pipe_file(f"{inside}/shop.csv", b"sku,photo\n1,a.png\n")
    assert seen()["csv"] != replaced["csv"]


def test_pairs_of_the_truth_may_lie_at_a_url(url: str) -> None:
    fs, inside = fsspec.core.url_to_fs(url)
    fs.pipe_file(f"{inside}/pairs.csv", b"a,b\n1,2\n2,3\n")
    keys = {"left": "a", "right": "b", "left_source": "s", "right_source": "t"}
    pairs = Truth.model_validate(keys | {"path": f"{url}/pairs.csv"})
    assert entities([pairs], Ingest(), Path("/nowhere")).num_rows == 4
    first = content_hash(place(pairs.path, Path()))
    fs.pipe_file(f"{inside}/pairs.csv", b"a,b\n1,2\n")
    assert content_hash(place(pairs.path, Path())) != first


def test_what_is_wrong_with_a_url_is_said_with_what_to_do(url: str) -> None:
    def located(path: str) -> None:
        locate(Source.model_validate({"name": "s", "path": path, "kind": "csv"} | TITLE), Path())

    with pytest.raises(ConfigError, match=r"source s: path: there is no .*shop/nothing\.csv"):
        located(f"{url}/nothing.csv")
    with pytest.raises(ConfigError, match=r"no file system that fsspec knows: Protocol not known: nosuch"):
        located("nosuch://bucket/x.csv")


def test_a_url_with_a_secret_in_it_is_refused_and_not_repeated() -> None:
    for path in ("ftp://me:hidden@host/x.csv", "https://host/x.csv?signature=hidden"):
        with pytest.raises(ConfigError, match="credentials do not belong in a configuration") as raised:
            place(path, Path())
        assert "hidden" not in str(raised.value)


def test_a_file_system_whose_library_is_missing_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)  # as Python marks what cannot be imported
    fsspec.registry  # noqa: B018
    with pytest.raises(SetupError, match=r"s3://bucket/x\.csv: .*install xmer-spark\[s3\]"):
        place("s3://bucket/x.csv", Path())
