"""Whole sources through Spark: what becomes an item, what is refused, and why."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.io import savemat

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.schema import ITEMS, REJECT_REASONS, REJECTS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Rows = list[dict[str, Any]]
Read = Callable[..., tuple[dict[str, dict[str, Any]], Rows]]


@pytest.fixture
def read(spark: SparkSession, tmp_path: Path) -> Iterator[Read]:
    """Read sources, given as dicts, from the test's folder: items by their ids, and rejects."""
    from xmer_spark.sources import stage

    def read(
        *sources: dict[str, Any], root: Path = tmp_path, **limits: Any
    ) -> tuple[dict[str, dict[str, Any]], Rows]:
        settings = Ingest.model_validate(limits)
        chosen = [Source.model_validate(source) for source in sources]
        items, rejects = stage.read_sources(spark, chosen, settings, root)
        assert [items.columns, rejects.columns] == [ITEMS.column_names, REJECTS.column_names]
        rows = [row.asDict() for row in items.collect()]
        by_id = {row["item_id"]: row for row in rows}
        assert len(by_id) == len(rows)
        return by_id, [row.asDict() for row in rejects.collect()]

    yield read
    spark.catalog.clearCache()


def jpeg(seed: int, side: int = 24) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    target = BytesIO()
    Image.fromarray(pixels).save(target, "JPEG")
    return target.getvalue()


def reasons(rejects: Rows) -> dict[str, str]:
    """The reason by source and key; no two rejects may share these."""
    found = {f"{row['source']}/{row['key']}": row["reason"] for row in rejects}
    assert len(found) == len(rejects)
    assert all(row["detail"] and row["reason"] in REJECT_REASONS for row in rejects)
    return found


PHOTOS = {
    "name": "photos",
    "kind": "images",
    "path": "images",
    "modality": "image",
    "listing": "../images.list",
    "columns": ["key", "class", "file"],
    "key": "key",
    "content": "file",
    "label": "class",
    "labels": ["cat", "dog"],
    "label_numbers": True,
    "pattern": "{label}/{}",
    "records": "pets",
    "entity": "key",
}
NOTES = {
    "name": "notes",
    "kind": "texts",
    "path": "texts",
    "modality": "text",
    "pattern": "{key}.txt",
    "records": "pets",
}
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


def test_of_200_good_and_20_poisoned_inputs_the_good_are_items_and_the_bad_say_why(
    read: Read, tmp_path: Path
) -> None:
    expected = _write_photos(tmp_path) | _write_notes(tmp_path)
    assert len(expected) == 20

    items, rejects = read(PHOTOS, NOTES, max_image_pixels=10_000, max_file_bytes=20_000)

    assert reasons(rejects) == expected
    assert set(items) == {f"{source}/{number}" for source in ("photos", "notes") for number in range(100)}
    photo, note = items["photos/7"], items["notes/7"]
    assert photo["record_id"] == note["record_id"] == "pets/7"
    assert (photo["label"], photo["uri"], photo["image"]) == ("dog", "dog/7.jpg", jpeg(7))
    assert photo["content_hash"] == hashlib.sha256(jpeg(7)).hexdigest()
    assert note["text"] == "r\u00e9sum\u00e9 of 7"
    assert (note["label"], note["entity"], note["split"]) == (None, None, None)


def test_the_bundled_sample_has_1906_entities_in_each_source_split_alike(read: Read) -> None:
    columns = {"kind": "parquet", "key": "key", "label": "label", "entity": "entity", "split": "split"}
    image, text = {"modality": "image", "content": "image"}, {"modality": "text", "content": "text"}
    names = {"google": image, "twitter": image, "cldr": text, "short_names": text}
    items, rejects = read(*(columns | {"name": n, "path": f"sample:{n}"} | more for n, more in names.items()))
    assert rejects == []
    counts = Counter((row["source"], row["split"]) for row in items.values())
    for name in names:
        found = [counts[name, split] for split in ("train", "validation", "test")]
        assert found == [1144, 190, 572]
    for what in ("entity", "split", "label"):
        told = [{(r["entity"], r[what]) for r in items.values() if r["source"] == name} for name in names]
        assert len(told[0]) == 1906
        assert told[1:] == told[:-1]
    keys = [
        {row["item_id"].split("/")[1] for row in items.values() if row["source"] == name} for name in names
    ]
    assert not set.intersection(*keys)


def test_csv_rows_become_items_with_their_attributes_and_a_split_by_entity(
    read: Read, tmp_path: Path
) -> None:
    rows = [
        "id|name|price|truth",
        *(f"{n}|thing {n}|{n if n % 2 else ''}|t{n}" for n in range(40)),
        "x|||",
        "1|other||t1",
    ]
    (tmp_path / "shop.csv").write_bytes("\n".join(rows).encode("utf-8-sig") + b"\ny|caf\xe9|1|t\n")
    shop = {
        "name": "shop", "kind": "csv", "path": "shop.csv", "modality": "relational",
        "key": "id", "attributes": ["name", "price"], "entity": "truth",
    }  # fmt: skip
    names = shop | {"name": "names", "modality": "text", "content": "name", "attributes": ["price"]}
    items, rejects = read(shop, names, split=(0.5, 0.0, 0.5))

    assert reasons(rejects) == {
        "shop/x": "empty_text", "shop/1": "duplicate_key", "shop/shop.csv:44": "not_utf8",
        "names/x": "empty_text", "names/1": "duplicate_key", "names/shop.csv:44": "not_utf8",
    }  # fmt: skip
    assert "with other content" in next(r["detail"] for r in rejects if r["reason"] == "duplicate_key")
    assert len(items) == 80
    assert items["shop/2"]["attributes"] == {"name": "thing 2"}
    assert items["names/3"]["attributes"] == {"price": "3"}
    assert items["names/3"]["text"] == "thing 3"
    splits = [items[f"shop/{n}"]["split"] for n in range(40)]
    assert splits == [items[f"names/{n}"]["split"] for n in range(40)]
    assert set(splits) == {"train", "test"}


def test_parquet_brings_vectors_and_a_bad_one_is_refused(read: Read, tmp_path: Path) -> None:
    vectors = [[1.0, 2.0], [3.0, 4.0], [1.0], [float("nan"), 0.0], None, [5.0, 6.0], [1.0, 2.0], [9.0, 9.0]]
    table = pa.table(
        {
            "id": [1, 2, 3, 4, 5, None, 1, 1],
            "x": vectors,
            "split": ["train", "dev", *["test"] * 4, "train", "train"],
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    source = {
        "name": "x", "kind": "parquet", "path": "x.parquet", "modality": "image",
        "key": "id", "content": "x", "split": "split",
    }  # fmt: skip
    items, rejects = read(source)
    assert [(row["item_id"], row["vector"], row["split"]) for row in items.values()] == [
        ("x/1", [1.0, 2.0], "train")
    ]
    assert items["x/1"]["content_hash"] == hashlib.sha256(np.array([1, 2], "<f4").tobytes()).hexdigest()
    assert sorted((row["key"], row["reason"]) for row in rejects) == [
        ("1", "duplicate_key"),
        ("2", "malformed_row"),
        ("3", "bad_vector"),
        ("4", "bad_vector"),
        ("5", "bad_vector"),
        ("x.parquet:5", "missing_key"),
    ]


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
        "modality": "text",
        "key": "id",
        "content": "text",
    }
    items, rejects = read(source)
    assert {key: row["text"] for key, row in items.items()} == {"t/a": "good a", "t/b": "good b", "t/c": "c"}
    assert reasons(rejects) == {"t/a": "not_utf8", "t/b": "duplicate_key"}
    assert {row["detail"].split(": ")[0] for row in rejects} == {"day=1/x.parquet:0", "day=2/x.parquet:1"}


def test_what_an_input_does_not_have_is_a_configuration_error(read: Read, tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "n": [1]}), tmp_path / "t.parquet")
    savemat(tmp_path / "m.mat", {"x": np.eye(3)})
    (tmp_path / "list").write_text("a\nb\n")
    (tmp_path / "texts").mkdir()
    parquet = {"name": "s", "kind": "parquet", "path": "t.parquet", "modality": "text", "key": "id"}
    mat = {"name": "s", "kind": "mat", "path": "m.mat", "modality": "text", "variable": "x"}
    listed = {"listing": "list", "columns": ["k"], "key": "k"}
    folder = {"name": "s", "kind": "texts", "path": "texts", "modality": "text"}
    for source, message in (
        (parquet | {"content": "t"}, "has no column t; it has id, n"),
        (parquet | {"content": "n"}, "content: n is bigint, not bytes or text"),
        (mat | {"variable": "y"}, r"has no matrix 'y'; it has x \(3, 3\)"),
        (mat | listed, "x in .* has 3 rows, list has 2"),
        (mat | {"path": "list"}, "is not a MATLAB file"),
        (folder | {"path": "list"}, "is not a folder"),
        (folder | {"pattern": "{key}.txt", "label": "class"}, "without a listing, pattern must give class"),
        (folder | listed | {"listing": "../list", "pattern": "{x}"}, "names x; known: k, key, label"),
        (folder | listed | {"listing": "../list", "label": "class"}, "columns does not name class"),
    ):
        with pytest.raises(ConfigError, match=message):
            read(source)


def test_items_whose_ids_have_the_same_64_bit_key_are_told_apart(spark: SparkSession) -> None:
    from xmer_spark.sources.stage import separate_collisions

    def item(key: str, item_key: int) -> dict[str, Any]:
        values = {"item_id": f"s/{key}", "item_key": item_key, "source": "s", "record_id": f"s/{key}"}
        return values | {"modality": "text", "content_hash": key, "text": key}

    rows = [item("b", 1), item("a/x", 1), item("c", 2), item("d/y", 1)]
    items, rejects = separate_collisions(spark.createDataFrame(rows, ITEMS.ddl))
    assert {row.item_id for row in items.collect()} == {"s/a/x", "s/c"}
    assert reasons([row.asDict() for row in rejects.collect()]) == {
        "s/b": "key_collision",
        "s/d/y": "key_collision",
    }


WIKIPEDIA = {
    "kind": "mat",
    "path": "wikipedia/raw_features.mat",
    "columns": ["text", "image", "class"],
    "record": "text",
    "records": "wikipedia",
    "entity": "text",
    "label": "class",
    "label_numbers": True,
    "labels": [
        *("art", "biology", "geography", "history", "literature", "media", "music", "royalty", "sport"),
        "warfare",
    ],
}
TRAIN, TEST = (
    {"listing": "trainset_txt_img_cat.list"},
    {"listing": "testset_txt_img_cat.list", "fixed_split": "test"},
)


def test_wikipedia_has_2866_documents_in_two_modalities(read: Read, shared_data: Path) -> None:
    image, text = {"modality": "image", "key": "image"}, {"modality": "text", "key": "text"}
    sources = [
        WIKIPEDIA | image | TRAIN | {"name": "image_train", "variable": "I_tr"},
        WIKIPEDIA | text | TRAIN | {"name": "text_train", "variable": "T_tr"},
        WIKIPEDIA | image | TEST | {"name": "image_test", "variable": "I_te"},
        WIKIPEDIA | text | TEST | {"name": "text_test", "variable": "T_te"},
    ]
    items, rejects = read(*sources, root=shared_data, split=(0.8, 0.2, 0.0))
    assert rejects == []
    sizes = Counter((row["modality"], len(row["vector"]), row["source"]) for row in items.values())
    assert sizes == {
        ("image", 128, "image_train"): 2173, ("text", 10, "text_train"): 2173,
        ("image", 128, "image_test"): 693, ("text", 10, "text_test"): 693,
    }  # fmt: skip
    splits = Counter((row["modality"], row["split"]) for row in items.values())
    assert splits["image", "validation"] == splits["text", "validation"] == pytest.approx(2173 / 5, rel=0.1)
    assert splits["text", "test"] == 693
    records = Counter((row["record_id"], row["split"], row["label"]) for row in items.values())
    assert set(records.values()) == {2}
    first = items["text_train/b3150b0c281960b6a6d33407824fd40a-3"]
    assert (first["label"], first["record_id"]) == ("media", "wikipedia/b3150b0c281960b6a6d33407824fd40a-3")


def test_web_news_has_10_missing_photographs_and_keeps_its_repeated_texts(
    read: Read, shared_data: Path
) -> None:
    base = WIKIPEDIA | {"records": "news"} | {
        "labels": (shared_data / "web_news" / "categories.list").read_text().split("\n")[:10],
    }  # fmt: skip
    images = {
        "kind": "images",
        "path": "web_news/images",
        "modality": "image",
        "pattern": "{label}/{key}.jpg",
        "key": "image",
    }
    texts = {
        "kind": "texts",
        "path": "web_news/texts",
        "modality": "text",
        "pattern": "{key}.txt",
        "key": "text",
    }
    lists = {
        "train": {"listing": "../trainset_txt_img_cat.list"},
        "test": {"listing": "../testset_txt_img_cat.list"},
    }
    sources = [
        base | kind | listing | {"name": f"{kind['modality']}_{half}"}
        for kind in (images, texts)
        for half, listing in lists.items()
    ]
    items, rejects = read(*sources, root=shared_data)
    assert Counter((row["source"], row["reason"]) for row in rejects) == {
        ("image_train", "missing_file"): 7,
        ("image_test", "missing_file"): 3,
    }
    assert Counter(row["modality"] for row in items.values()) == {"image": 2190, "text": 2200}
    texts_found = Counter(row["content_hash"] for row in items.values() if row["modality"] == "text")
    assert len(texts_found) == 2200 - 28
