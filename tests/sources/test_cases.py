"""Inputs that people have: each is read, or refused with a sentence that says why."""

from __future__ import annotations

import json
import logging
import unicodedata
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.sources.reading import read
from xmer_spark.errors import ConfigError

TITLE = {"key": "sku", "fields": {"title": {"type": "text"}}}


def csv(root: Path, content: str | bytes, **keys: Any) -> dict[str, Any]:
    (root / "x.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return {"kind": "csv", "path": "x.csv"} | TITLE | keys


def png(shade: int = 0, mode: str = "L") -> bytes:
    target = BytesIO()
    Image.new(mode, (6, 4), shade).save(target, "PNG")
    return target.getvalue()


def test_null_markers_are_missing_values_and_counted(tmp_path: Path) -> None:
    rows = "sku,title,product\r\nA1,Red shoe,P1\r\nA2,Blue shoe,NULL\r\nA3,Cap,N/A\r\nA4,Mug,nan\r\n"
    rows += "A5,Hat,None\r\nA6,Sock, \r\nA7,NULL,NULL\r\nA8,N/A,\r\nNULL,Pen,P2\r\n  ,Ink,P3\r\n"
    found = read(tmp_path, **csv(tmp_path, rows, entity="product"))
    assert {key: record["entity"] for key, record in found.records.items()} == {
        "A1": "P1", **dict.fromkeys(["A2", "A3", "A4", "A5", "A6"]),
    }  # fmt: skip
    assert found.refusals == [
        ("A7", None, "no_value"), ("A8", None, "no_value"),
        ("x.csv:10", None, "missing_key"), ("x.csv:11", None, "missing_key"),
    ]  # fmt: skip
    assert {name: found.missing.count(name) for name in TITLE["fields"] | {"product": 0, "sku": 0}} == {
        "title": 2, "product": 5, "sku": 1,
    }  # fmt: skip


def test_null_markers_are_a_setting(tmp_path: Path) -> None:
    source = csv(tmp_path, "sku,title\nA1,NULL\nA2,void\n")
    assert read(tmp_path, limits={"null_values": ["VOID"]}, **source).values("title") == {"A1": "NULL"}


def test_keys_lose_what_nobody_sees(tmp_path: Path) -> None:
    unseen = "\u200b\ufeff\u00ad\u034f\u061c\u180e\u202e\u202c\u2066\u2069\u2063"
    keys = ["A1", " A1", "A1 ", *(f"A{sign}1" for sign in unseen), "caf\u00e9", "cafe\u0301"]
    found = read(tmp_path, **csv(tmp_path, "title,sku\n" + "".join(f"x,{key}\n" for key in keys)))
    assert list(found.records) == ["A1", "caf\u00e9"]


def test_lines_may_end_in_carriage_returns_alone(tmp_path: Path) -> None:
    found = read(tmp_path, **csv(tmp_path, b"sku,title\rA1,red shoe\rA2,blue shoe\r"))
    assert found.values("title") == {"A1": "red shoe", "A2": "blue shoe"}


def test_a_column_name_that_stands_twice_is_refused_where_the_column_is_used(tmp_path: Path) -> None:
    source = csv(tmp_path, "sku,title,price,title\nA1,Red shoe,10,Schuh rot\n")
    with pytest.raises(ConfigError, match="more than one column title"):
        read(tmp_path, **source)
    priced = source | {"fields": {"price": {"type": "number"}}}
    assert read(tmp_path, **priced).values("price") == {"A1": "10"}


def test_a_line_break_in_a_quoted_header_is_part_of_the_name(tmp_path: Path) -> None:
    found = read(tmp_path, **csv(tmp_path, 'sku,title,"Net\nweight"\nA1,Red shoe,10\nA2,Blue shoe,11\n'))
    assert found.values("title") == {"A1": "Red shoe", "A2": "Blue shoe"}
    assert found.refusals == []


def parquet(path: Path, **columns: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def test_names_may_hold_dots(tmp_path: Path) -> None:
    parquet(tmp_path / "x.parquet", **{"item.id": ["1", "2"], "desc.en": ["Red shoe", "Blue shoe"]})
    found = read(
        tmp_path, kind="parquet", path="x.parquet", key="item.id",
        fields={"title": {"type": "text", "column": "desc.en"}},
    )  # fmt: skip
    assert found.values("title") == {"1": "Red shoe", "2": "Blue shoe"}


def test_a_path_that_looks_like_a_pattern_is_that_path_alone(tmp_path: Path) -> None:
    parquet(tmp_path / "export [v2]" / "x.parquet", sku=["1"], title=["this"])
    parquet(tmp_path / "export v" / "x.parquet", sku=["2"], title=["another"])
    (tmp_path / "export [v2]" / "x.csv").write_text("sku,title\n3,as well\n")
    found = read(tmp_path, kind="parquet", path="export [v2]", **TITLE)
    assert found.values("title") == {"1": "this"}
    assert read(tmp_path, kind="csv", path="export [v2]", **TITLE).values("title") == {"3": "as well"}


def test_values_of_partition_folders_keep_their_zeros(tmp_path: Path) -> None:
    parquet(tmp_path / "t" / "product=007" / "a.parquet", sku=["1"], title=["a"])
    parquet(tmp_path / "t" / "product=0100" / "a.parquet", sku=["2"], title=["b"])
    found = read(tmp_path, kind="parquet", path="t", entity="product", **TITLE)
    assert {key: record["entity"] for key, record in found.records.items()} == {"1": "007", "2": "0100"}


def test_other_files_beside_the_shards_are_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parquet(tmp_path / "t" / "a.parquet", sku=["1"], title=["a"])
    (tmp_path / "t" / "README.md").write_text("about")
    (tmp_path / "t" / "_SUCCESS").write_text("")
    with caplog.at_level(logging.WARNING):
        assert list(read(tmp_path, kind="parquet", path="t", **TITLE).records) == ["1"]
    assert ["1 files" in message and "README.md" in message for message in caplog.messages] == [True]


def test_a_delta_table_is_not_read_as_the_files_it_is_made_of(tmp_path: Path) -> None:
    parquet(tmp_path / "t" / "a.parquet", sku=["1"], title=["a"])
    (tmp_path / "t" / "_delta_log").mkdir()
    with pytest.raises(ConfigError, match="set kind to delta"):
        read(tmp_path, kind="parquet", path="t", **TITLE)


@pytest.mark.parametrize(("on_disk", "in_list"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_file_is_found_in_whichever_form_its_name_is(tmp_path: Path, on_disk: str, in_list: str) -> None:
    names = {form: unicodedata.normalize(form, "caf\u00e9.png") for form in (on_disk, in_list)}  # type: ignore[arg-type]
    (tmp_path / names[on_disk]).write_bytes(png())
    source = csv(tmp_path, f"sku,file\n1,{names[in_list]}\n", fields={"file": {"type": "image"}})
    assert read(tmp_path, **source).values("file") == {"1": png()}


def test_a_pattern_may_name_a_field_twice(tmp_path: Path) -> None:
    (tmp_path / "t" / "cat").mkdir(parents=True)
    (tmp_path / "t" / "cat" / "cat_1.JPEG").write_bytes(png())
    (tmp_path / "t" / "cat" / "dog_2.JPEG").write_bytes(png())
    found = read(tmp_path, kind="images", path="t", pattern="{label}/{label}_{key}.JPEG")
    assert {key: record["label"] for key, record in found.records.items()} == {"1": "cat"}
    assert found.refusals == [("cat/dog_2.JPEG", None, "malformed_row")]


def test_a_file_pattern_takes_columns_and_never_leads_outside(tmp_path: Path) -> None:
    (tmp_path / "shop" / "photos").mkdir(parents=True)
    (tmp_path / "shop" / "photos" / "1.png").write_bytes(png())
    (tmp_path / "secret.png").write_bytes(png())
    rows = "sku,price\n1,10\n2,11\n../../secret,12\n"
    (tmp_path / "shop" / "x.csv").write_text(rows)
    fields = {"photo": {"type": "image", "file": "photos/{sku}.png"}, "price": {"type": "number"}}
    found = read(tmp_path, kind="csv", path="shop/x.csv", key="sku", fields=fields)
    assert found.values("photo") == {"1": png(), "2": None, "../../secret": None}
    assert found.values("price") == {"1": "10", "2": "11", "../../secret": "12"}
    assert found.refusals == [
        ("2", "photo", "missing_file"), ("../../secret", "photo", "outside_root"),
    ]  # fmt: skip


def test_a_bad_value_costs_its_field_and_the_record_only_where_nothing_else_is_left(tmp_path: Path) -> None:
    rows = b"sku,title,price,day\n1,a,12,03/04/1998\n2,b,dear,1998\n3,,cheap,\n4,,,\n5,caf\xe9,1,\n"
    fields = {"title": {"type": "text"}, "price": {"type": "number"}, "day": {"type": "date"}}
    found = read(tmp_path, **csv(tmp_path, rows, fields=fields))
    assert {key: record["fields"] for key, record in found.records.items()} == {
        "1": {"price": "12"}, "2": {"day": "1998"}, "5": {"price": "1"},
    }  # fmt: skip
    assert found.refusals == [
        ("1", "day", "bad_value"), ("2", "price", "bad_value"), ("3", "price", "bad_value"),
        ("4", None, "no_value"), ("5", "title", "not_utf8"),
    ]  # fmt: skip


def test_the_hash_of_a_record_is_that_of_what_it_means(tmp_path: Path) -> None:
    fields = {"title": {"type": "text"}, "price": {"type": "number"}}
    rows = 'sku,title,price\n1,a,"1,200.0"\n2,a,1200\n3,a,1201\n4,b,1200\n5,a,\n6,,1200\n'
    records = read(tmp_path, **csv(tmp_path, rows, fields=fields)).records
    hashes = [record["content_hash"] for record in records.values()]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 5


@pytest.mark.parametrize("array", [False, True])
def test_json_is_read_by_lines_and_as_an_array(tmp_path: Path, array: bool) -> None:
    documents = [
        {"sku": 7, "title": "a", "price": 1.50, "tags": ["y", "x"], "v": [1, 2.5]},
        {"sku": "8", "title": None, "price": "2", "new": True},
        "no object",
    ]
    text = json.dumps(documents) if array else "\n".join([*map(json.dumps, documents), '{"sku": 9,'])
    (tmp_path / "x.json").write_text(text)
    fields = {
        "title": {"type": "text"}, "price": {"type": "number"}, "tags": {"type": "set"},
        "new": {"type": "category"}, "v": {"type": "vector", "modality": "text"},
    }  # fmt: skip
    found = read(tmp_path, kind="json", path="x.json", key="sku", fields=fields)
    assert {key: record["fields"] for key, record in found.records.items()} == {
        "7": {"price": "1.5", "tags": '["x", "y"]'}, "8": {"price": "2", "new": "true"},
    }  # fmt: skip
    assert found.values("v") == {"7": [1.0, 2.5], "8": None}
    assert [(where, reason) for where, _, reason in found.refusals] == [
        ("x.json:3", "malformed_row"), ("x.json:4", "malformed_row"),
    ][: 1 if array else 2]  # fmt: skip


def test_a_place_may_stand_in_two_columns(tmp_path: Path) -> None:
    fields = {"at": {"type": "place", "columns": ["lat", "lon"]}}
    found = read(tmp_path, **csv(tmp_path, "sku,lat,lon\n1,48.10,11.5\n2,48,\n3,95,0\n", fields=fields))
    assert found.values("at") == {"1": "48.1,11.5"}
    assert found.refusals == [("2", None, "no_value"), ("3", "at", "bad_value")]


def test_typed_columns_of_parquet_mean_what_strings_do(tmp_path: Path) -> None:
    import datetime

    parquet(
        tmp_path / "x.parquet", sku=[1], price=[12.50], day=[datetime.date(2020, 1, 5)],
        seen=[datetime.datetime(2020, 1, 5, 10)], tags=[["b", "a"]], gone=[float("nan")],
    )  # fmt: skip
    types = {"price": "number", "day": "date", "seen": "date", "tags": "set", "gone": "number"}
    fields = {name: {"type": type_} for name, type_ in types.items()}
    found = read(tmp_path, kind="parquet", path="x.parquet", key="sku", fields=fields)
    assert found.records["1"]["fields"] == {
        "price": "12.5", "day": "2020-01-05", "seen": "2020-01-05", "tags": '["a", "b"]',
    }  # fmt: skip


def image_of(content: bytes) -> tuple[bytes, np.ndarray]:
    """What an image is kept as, and how it looks then."""
    from xmer_spark.sources.images import usable_image

    kept = usable_image(content, 10**6)
    with Image.open(BytesIO(kept)) as image:
        return kept, np.asarray(image).astype(float)


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    target = BytesIO()
    Image.fromarray(pixels).save(target, "TIFF", **options)
    return target.getvalue()


RAMP = np.linspace(0, 1, 24).reshape(4, 6)


def test_pictures_of_16_bits_are_scaled_to_8() -> None:
    _, seen = image_of(tiff((RAMP * 65535).astype(np.uint16)))
    assert np.allclose(seen, RAMP * 255, atol=1)


def test_pictures_of_32_bits_are_scaled_where_the_file_says_what_is_white_and_else_refused() -> None:
    from xmer_spark.sources.records import Refusal

    pixels = (RAMP * 1000).astype(np.int32)
    _, seen = image_of(tiff(pixels, tiffinfo={340: 0, 341: 1000}))
    assert np.allclose(seen, RAMP * 255, atol=1)
    with pytest.raises(Refusal, match="which value of its I pixels is white"):
        image_of(tiff(pixels))


def test_of_a_tiff_of_several_pages_the_largest_is_taken() -> None:
    pages = [
        Image.new("RGB", size, shade)
        for size, shade in (((3, 2), "red"), ((30, 20), "blue"), ((9, 9), "red"))
    ]
    target = BytesIO()
    pages[0].save(target, "TIFF", save_all=True, append_images=pages[1:])
    _, seen = image_of(target.getvalue())
    assert seen.shape == (20, 30, 3)
    assert (seen == [0, 0, 255]).all()


def test_a_good_photograph_with_bad_exif_is_turned_and_kept(shared_cases: Path) -> None:
    from xmer_spark.features.image.base import decode

    kept, seen = image_of((shared_cases / "images" / "exif_bad_rational.jpg").read_bytes())
    with Image.open(shared_cases / "images" / "ref.png") as reference:
        assert np.abs(seen - np.asarray(reference.convert("RGB"))).mean() < 3
    assert decode(kept).shape == (*seen.shape[:2], 4)


def test_a_photograph_that_says_which_way_is_up_is_kept_as_it_is() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    target = BytesIO()
    Image.new("RGB", (30, 20), "red").save(target, "JPEG", exif=exif)
    assert image_of(target.getvalue())[0] == target.getvalue()
