"""Where a source's input is, whether it changed, and whether its configuration can work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.sources.fingerprint import fingerprint as fingerprint_of
from xmer_spark.sources.place import locate


def texts(**keys: object) -> Source:
    return Source.model_validate({"name": "s", "kind": "texts", "path": "texts"} | keys)


def fingerprint(source: Source, root: Path) -> str:
    return fingerprint_of(source, Ingest(), root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    (tmp_path / "list").write_text("key\na.txt\n")
    return tmp_path


def test_a_fingerprint_is_the_same_until_something_changes(root: Path) -> None:
    source = texts()
    seen = [fingerprint(source, root), fingerprint(source, root)]
    for name, content in (("b.txt", "b"), ("b.txt", "bb")):
        (root / "texts" / name).write_text(content)
        seen.append(fingerprint(source, root))
    assert seen[0] == seen[1]
    assert len(set(seen)) == 3


def test_the_fingerprint_of_a_listed_folder_covers_the_list_and_the_files_that_it_names(root: Path) -> None:
    source = texts(listing="../list", key="key")
    seen = [fingerprint(source, root)]
    (root / "texts" / "b.txt").write_text("b")
    seen.append(fingerprint(source, root))
    (root / "list").write_text("key\na.txt\nb.txt\n")
    seen.append(fingerprint(source, root))
    (root / "texts" / "b.txt").write_text("bb")
    seen.append(fingerprint(source, root))
    assert seen[0] == seen[1]
    assert len(set(seen)) == 3


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_a_photograph_that_is_replaced_under_its_name_is_noticed(root: Path, kind: str) -> None:
    rows = [{"sku": "1", "file": "a.png"}, {"sku": "2", "file": None}, {"sku": "3", "file": "c.png"}]
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), root / "x")
    else:
        lines = ["sku,file", *(f"{row['sku']},{row['file'] or ''}" for row in rows)]
        (root / "x").write_text("\n".join(map(json.dumps, rows) if kind == "json" else lines))
    photo = {"type": "image", "file": "photos/{file}"}
    source = Source.model_validate(
        {"name": "s", "kind": kind, "path": "x", "key": "sku", "fields": {"photo": photo}}
    )
    (root / "photos").mkdir()
    seen = []
    for content in (None, b"one", b"another", b"another"):
        if content:
            (root / "photos" / "a.png").write_bytes(content)
        os.utime(root / "photos", (0, 0))
        (root / "photos" / "unnamed.png").write_bytes(os.urandom(3))
        if content:
            os.utime(root / "photos" / "a.png", (0, 0))
        seen.append(fingerprint(source, root))
    assert len(set(seen)) == 3
    assert seen[2] == seen[3]


def test_the_fingerprint_of_a_file_is_that_of_its_content(root: Path) -> None:
    source = texts(path="list")
    before = fingerprint(source, root)
    (root / "list").touch()
    assert fingerprint(source, root) == before


def test_the_bundled_sources_are_found_by_name() -> None:
    assert locate(texts(path="sample:cldr"), Path()).name == "cldr.parquet"
    with pytest.raises(
        ConfigError, match="known: sample:cldr, sample:google, sample:short_names, sample:twitter"
    ):
        locate(texts(path="sample:apple"), Path())


def test_a_path_or_a_list_file_that_is_not_there_is_a_configuration_error(root: Path) -> None:
    with pytest.raises(ConfigError, match="there is no"):
        locate(texts(path="nowhere"), root)
    with pytest.raises(ConfigError, match="listing: there is no"):
        fingerprint(texts(listing="none", key="key"), root)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kind": "csv"}, "key: name the column"),
        ({"kind": "csv", "key": "id"}, "fields: say what the records hold"),
        ({"kind": "mat", "fields": {"x": {"type": "text"}}}, "fields: a mat file needs the variable"),
        ({"listing": "list"}, "key: name the column"),
        ({"label_numbers": True, "label": "class"}, "label_numbers: needs label and labels"),
        ({"split": "split", "fixed_split": "test"}, "leave out either"),
        ({"fields": {"x": {"type": "vector"}}}, "modality: say of what"),
        ({"fields": {"x": {"type": "text"}, "y": {"type": "image"}}}, "one content is the file itself"),
        ({"fields": {"x": {"type": "place", "columns": ["a"]}}}, "columns: only a place stands in several"),
        ({"fields": {"x": {"type": "name", "separator": ";"}}}, "separator: only a set"),
        (
            {"kind": "delta", "key": "id", "fields": {"x": {"type": "image", "file": "{id}.png"}}},
            "a Delta table holds its contents itself",
        ),
    ],
)
def test_a_source_that_cannot_work_is_refused_when_the_configuration_is_read(
    keys: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        texts(**keys)
