"""Whole sources through Spark: what becomes a record and its items, what is refused, and why."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.io import savemat

from tests.sources.tables import Read
from xmer_spark.config import Ingest, Truth
from xmer_spark.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def jpeg(seed: int, side: int = 24) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    target = BytesIO()
    Image.fromarray(pixels).save(target, "JPEG")
    return target.getvalue()


PHOTOS = {
    "name": "photos",
    "kind": "images",
    "path": "images",
    "listing": "../images.list",
    "columns": ["key", "class", "file"],
    "key": "key",
    "label": "class",
    "labels": ["cat", "dog"],
    "label_numbers": True,
    "fields": {"photo": {"type": "image", "file": "{label}/{file}"}},
    "entity": "key",
}
NOTES = {"name": "notes", "kind": "texts", "path": "texts", "pattern": "{key}.txt"}
POISONED_LINES = {
    b"up\t1\t../../../secret.jpg": ("up", "outside_root"),
    b"link\t1\tlink.jpg": ("link", "outside_root"),
    b"gone\t1\tgone.jpg": ("gone", "missing_file"),
    b"folder\t1\tfolder.jpg": ("folder", "missing_file"),
    b"noise\t1\tnoise.jpg": ("noise", "unreadable_image"),
    b"empty\t1\tempty.jpg": ("empty", "unreadable_image"),
    b"cut\t1\tcut.jpg": ("cut", "truncated_image"),
    b"wide\t1\twide.jpg": ("wide", "image_too_large"),
    b"heavy\t1\theavy.jpg": ("heavy", "file_too_large"),
    b"third\t3\tother.jpg": ("third", "unknown_label"),
    b"0\t1\tother.jpg": ("0", "duplicate_key"),
    b"caf\xe9\t1\tother.jpg": ("images.list:113", "not_utf8"),
    b"short\t1": ("images.list:114", "malformed_row"),
    b"\t1\tother.jpg": ("images.list:115", "missing_key"),
}


def _write_photos(root: Path) -> dict[str, str]:
    cat, dog = root / "images" / "cat", root / "images" / "dog"
    cat.mkdir(parents=True)
    dog.mkdir()
    lines = []
    for number in range(100):
        (dog if number % 2 else cat).joinpath(f"{number}.jpg").write_bytes(jpeg(number))
        lines.append(f"{number}\t{number % 2 + 1}\t{number}.jpg".encode())
    lines.append(lines[0])  # said twice, meant once
    (root / "secret.jpg").write_bytes(jpeg(1))
    (cat / "link.jpg").symlink_to(root / "secret.jpg")
    (cat / "folder.jpg").mkdir()
    (cat / "noise.jpg").write_bytes(b"this is no image")
    (cat / "empty.jpg").write_bytes(b"")
    (cat / "cut.jpg").write_bytes(jpeg(2)[:-200])
    (cat / "wide.jpg").write_bytes(jpeg(3, side=101))
    (cat / "heavy.jpg").write_bytes(jpeg(4) + bytes(20_000))
    (cat / "other.jpg").write_bytes(jpeg(5))
    (root / "images.list").write_bytes(b"\n".join([*lines, *POISONED_LINES]) + b"\n")
    return {f"photos/{key}": reason for key, reason in POISONED_LINES.values()}


def _write_notes(root: Path) -> dict[str, str]:
    texts = root / "texts"
    texts.mkdir()
    for number in range(100):
        (texts / f"{number}.txt").write_text(f"re\u0301sume\u0301 of {number}")
    (texts / "nothing.txt").write_bytes(b"")
    (texts / "blank.txt").write_text(" \n\t ")
    (texts / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    (texts / "long.txt").write_text("x" * 20_001)
    (texts / "link.txt").symlink_to(root / "images.list")
    (texts / "readme.md").write_text("no text of this source")
    return {
        "notes/nothing": "empty_text",
        "notes/blank": "empty_text",
        "notes/latin": "not_utf8",
        "notes/long": "file_too_large",
        "notes/link": "outside_root",
        "notes/readme.md": "malformed_row",
    }


def test_of_200_good_and_20_poisoned_inputs_the_good_are_records_and_the_bad_say_why(
    read: Read, tmp_path: Path
) -> None:
    expected = _write_photos(tmp_path) | _write_notes(tmp_path)
    assert len(expected) == 20

    found = read(PHOTOS, NOTES, max_image_pixels=10_000, max_file_bytes=20_000)

    assert found.reasons() == expected
    assert set(found.records) == {f"{source}/{n}" for source in ("photos", "notes") for n in range(100)}
    assert set(found.items) == set(found.records)
    photo, note = found.items["photos/7"], found.items["notes/7"]
    assert (photo["field"], photo["uri"], photo["image"]) == ("photo", "dog/7.jpg", jpeg(7))
    assert photo["content_hash"] == hashlib.sha256(jpeg(7)).hexdigest()
    assert (note["field"], note["text"]) == ("text", "r\u00e9sum\u00e9 of 7")
    assert found.records["photos/7"]["label"] == "dog"
    assert [found.records["notes/7"][name] for name in ("label", "entity", "split")] == [None] * 3


def test_a_row_of_several_fields_is_one_record_with_an_item_for_each_content(
    read: Read, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(40):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(jpeg(number))
    rows = [
        "sku,title,price,truth",
        *(f'{n},thing {n},"{n},5",t{n}' for n in range(40)),
        "40,alone,dear,NULL",
    ]
    rows += ["1,thing 1,1.50,t1", "2,other,1,t2"]
    (tmp_path / "shop.csv").write_text("\n".join(rows))
    photo, title = {"type": "image", "file": "photos/{sku}.jpg"}, {"type": "text"}
    base = {"kind": "csv", "path": "shop.csv", "key": "sku", "entity": "truth"}
    shop = base | {"name": "shop", "fields": {"photo": photo, "title": title, "price": {"type": "number"}}}
    names = base | {"name": "names", "fields": {"title": title}}
    found = read(shop, names, split=(0.5, 0.0, 0.5))

    told = {(row["source"], row["key"], row["field"], row["reason"]) for row in found.rejects}
    assert told == {
        ("shop", "40", "photo", "missing_file"), ("shop", "40", "price", "bad_value"),
        ("shop", "2", None, "duplicate_key"), ("names", "2", None, "duplicate_key"),
    }  # fmt: skip
    assert len(found.records) == 82
    assert found.records["shop/3"]["fields"] == {"price": "3.5"}
    assert found.records["names/3"]["fields"] == {}
    assert {key for key in found.items if key.startswith("shop/3#")} == {"shop/3#photo", "shop/3#title"}
    assert found.items["names/3"]["text"] == found.items["shop/3#title"]["text"] == "thing 3"
    assert "shop/40#photo" not in found.items
    splits = [found.records[f"shop/{n}"]["split"] for n in range(41)]
    assert splits == [found.records[f"names/{n}"]["split"] for n in range(41)]
    assert set(splits[:40]) == {"train", "test"}
    assert splits[40] is None
    assert found.missing == [
        {"source": name, "column": "truth", "values": 1} for name in ("names", "shop")
    ]  # fmt: skip


def test_vectors_that_are_not_as_long_as_the_others_are_refused(read: Read, tmp_path: Path) -> None:
    vectors = [[1.0, 2.0], [3.0, 4.0], [1.0], [float("nan"), 0.0], None, [5.0, 6.0], [1.0, 2.0], [9.0, 9.0]]
    splits = ["train", "dev", *["test"] * 4, "train", "train"]
    table = pa.table(
        {"id": [1, 2, 3, 4, 5, None, 1, 1], "x": vectors, "split": splits, "n": list("abcdefah")}
    )
    pq.write_table(table, tmp_path / "x.parquet")
    vector = {"type": "vector", "modality": "image"}
    base = {"kind": "parquet", "path": "x.parquet", "key": "id", "split": "split"}
    alone = base | {"name": "x", "fields": {"x": vector}}
    named = base | {"name": "y", "fields": {"x": vector, "n": {"type": "name"}}}
    found = read(alone, named)
    item = found.items["x/1"]
    assert (item["vector"], found.records["x/1"]["split"]) == ([1.0, 2.0], "train")
    assert item["content_hash"] == hashlib.sha256(np.array([1, 2], "<f4").tobytes()).hexdigest()
    assert set(found.items) == {"x/1", "y/1"}
    assert set(found.records) == {"x/1", "y/1", "y/3", "y/4", "y/5"}
    assert sorted((row["key"], row["reason"]) for row in found.rejects if row["source"] == "x") == [
        ("1", "duplicate_key"), ("2", "malformed_row"), ("3", "bad_vector"), ("4", "bad_vector"),
        ("5", "no_value"), ("x.parquet:5", "missing_key"),
    ]  # fmt: skip


def test_an_unusable_row_does_not_take_the_key_from_a_good_one(read: Read, tmp_path: Path) -> None:
    days = {1: {"a": b"caf\xe9", "b": b"good b", "c": b"c"}, 2: {"a": b"good a", "b": b"other b", "c": b"c"}}
    for day, texts in days.items():
        folder = tmp_path / "table" / f"day={day}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"id": [*texts], "text": [*texts.values()]}), folder / "x.parquet")
    source = {
        "name": "t",
        "kind": "parquet",
        "path": "table",
        "key": "id",
        "fields": {"text": {"type": "text"}},
    }
    found = read(source)
    assert {key: row["text"] for key, row in found.items.items()} == {
        "t/a": "good a", "t/b": "good b", "t/c": "c",
    }  # fmt: skip
    assert found.reasons() == {"t/a": "not_utf8", "t/b": "duplicate_key"}
    assert {row["detail"].split(": ")[0] for row in found.rejects} == {
        "day=1/x.parquet:0",
        "day=2/x.parquet:1",
    }


def test_a_delta_table_is_read_as_it_is_now(read: Read, spark: SparkSession, tmp_path: Path) -> None:
    folder = str(tmp_path / "export [v2]")
    seen = datetime(2020, 1, 5, 23, tzinfo=UTC)
    rows = [("1", "old", 1.0, ["b", "a"], "007", seen, {"k": 1}), ("2", "gone", 2.0, None, "007", seen, {})]
    new = [("1", "new", 1.5, ["b", "a"], "007", seen, {"k": 1}), ("3", None, None, None, "08", None, None)]
    for content in (rows, new):
        frame = spark.createDataFrame(
            content,
            "`item.id` string, title string, price double, tags array<string>, p string, seen timestamp, "
            "more map<string, int>",
        )
        frame.write.format("delta").partitionBy("p").mode("overwrite").save(folder)
    fields = {"title": {"type": "text"}, "price": {"type": "number"}, "tags": {"type": "set"}}
    fields |= {"seen": {"type": "date"}, "more": {"type": "category"}}
    source = {"name": "d", "kind": "delta", "path": folder, "key": "item.id", "entity": "p", "fields": fields}
    found = read(source)
    assert {key: row["text"] for key, row in found.items.items()} == {"d/1": "new"}
    record = found.records["d/1"]
    values = {"price": "1.5", "tags": '["a", "b"]', "seen": "2020-01-05", "more": '{"k":1}'}
    assert (record["fields"], record["entity"]) == (values, "007")
    assert found.reasons() == {"d/3": "no_value"}
    assert read(source | {"path": f"file://{folder}"}).records == found.records


def test_pairs_give_the_entities_and_those_that_none_names_stand_alone(
    read: Read, spark: SparkSession, tmp_path: Path
) -> None:
    from xmer_spark.sources import stage

    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.csv").write_text("id,title\n" + "".join(f"{n},{name}{n}\n" for n in range(1, 6)))
    (tmp_path / "ab").write_text("left|right\n1|2\n 2 |2\n3|9\n")
    (tmp_path / "bb").write_text("4;5\n")
    source = {"kind": "csv", "key": "id", "fields": {"title": {"type": "text"}}}
    sources = [source | {"name": name, "path": f"{name}.csv"} for name in ("a", "b", "c")]
    pairs = {"left": "left", "right": "right", "right_source": "b"}
    truth = [
        pairs | {"path": "ab", "left_source": "a", "complete": False},
        pairs | {"path": "bb", "left_source": "b", "columns": ["left", "right"], "complete": False},
    ]
    found = read(*sources, truth=truth)
    entities = {key: row["entity"] for key, row in found.records.items() if row["entity"]}
    assert entities == {
        "a/1": "a/1", "a/2": "a/1", "b/2": "a/1", "a/3": "a/3", "b/4": "b/4", "b/5": "b/4",
    }  # fmt: skip
    complete = read(*sources, truth=[each | {"complete": True} for each in truth])
    alone = {f"{name}/{n}": f"{name}/{n}" for name in ("a", "b") for n in range(1, 6)}
    assert {k: r["entity"] for k, r in complete.records.items() if r["entity"]} == alone | entities
    assert all((row["split"] is None) == (row["entity"] is None) for row in complete.records.values())
    known = stage.true_entities(spark, [Truth.model_validate(truth[0])], Ingest(), tmp_path)
    assert known is not None
    ids = spark.createDataFrame([(key,) for key in found.records], "record_id string")
    assert [row.record_id for row in stage.unknown_keys(known, ids).collect()] == ["b/9"]


def test_what_an_input_does_not_have_is_a_configuration_error(read: Read, tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "n": [1]}), tmp_path / "t.parquet")
    savemat(tmp_path / "m.mat", {"x": np.eye(3), "y": np.eye(2)})
    (tmp_path / "list").write_text("a\nb\n")
    (tmp_path / "texts").mkdir()

    def vector(*names: str) -> dict[str, Any]:
        return {"fields": {n: {"type": "vector", "modality": "text", "variable": n} for n in names}}

    def holding(type_: str, column: str) -> dict[str, Any]:
        return parquet | {"fields": {"f": {"type": type_, "column": column}}}

    text = {"fields": {"f": {"type": "text"}}}
    parquet = {"name": "s", "kind": "parquet", "path": "t.parquet", "key": "id"}
    mat = {"name": "s", "kind": "mat", "path": "m.mat"} | vector("x")
    listed = {"listing": "list", "columns": ["k"], "key": "k"}
    folder = {"name": "s", "kind": "texts", "path": "texts"}
    for source, message in (
        (holding("text", "t"), "has no column t; it has id, n"),
        (holding("text", "n"), "n is int64, not bytes or text"),
        (holding("image", "id"), 'not the bytes of pictures; where it names files, set file = "{id}"'),
        (holding("vector", "id") | {}, "modality"),
        (parquet | {"kind": "delta", "path": "texts"} | text, r"texts is not a Delta table that can be read"),
        (mat | vector("z"), r"has no matrix 'z'; it has x \(3, 3\)"),
        (mat | vector("x", "y"), "x in .* has 3 rows, y has 2"),
        (mat | listed, "x in .* has 3 rows, list has 2"),
        (mat | {"path": "list"}, "is not a MATLAB file"),
        (folder | {"path": "list"}, "is not a folder"),
        (folder | {"pattern": "{key}.txt", "label": "class"}, "without a listing, pattern must give class"),
        (folder | listed | {"listing": "../list", "pattern": "{x}"}, "columns does not name x"),
        (folder | listed | {"listing": "../list", "label": "class"}, "columns does not name class"),
    ):
        with pytest.raises((ConfigError, ValueError), match=message):
            read(source)


def test_ids_that_have_the_same_64_bit_key_are_told_apart(spark: SparkSession) -> None:
    from xmer_spark.sources.stage import separate_collisions

    rows = [(f"s/{key}", number, "s", key) for key, number in (("b", 1), ("a/x", 1), ("c", 2), ("d/y", 1))]
    frame = spark.createDataFrame(rows, "record_id string, record_key bigint, source string, key string")
    kept, rejects = separate_collisions(frame, "record_id", "record_key")
    assert {row.record_id for row in kept.collect()} == {"s/a/x", "s/c"}
    assert {(row.key, row.reason, row.field) for row in rejects.collect()} == {
        ("b", "key_collision", None), ("d/y", "key_collision", None),
    }  # fmt: skip
