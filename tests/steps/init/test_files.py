"""Inputs of every kind, with the oddities that people's files have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pictures import noise
from tests.steps.init.conftest import configured, run, types

Write = Callable[[str, str], Path]
ROWS = "sku,title,price\nA1,Red shoe,10\nA2,Blue shoe,12.5\n"


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        "\ufeff" + ROWS,
        ROWS.replace("\n", "\r"),
        ROWS.replace("\n", "\r\n"),
        ROWS + "A3,too,many,parts\n",
        ROWS + 'A3,"a quote that is never closed,1\n',
    ],
    ids=["plain", "byte order mark", "CR only", "CRLF", "a row too long", "an open quote"],
)
def test_a_csv_is_read_whatever_its_line_ends(tmp_path: Path, write: Write, text: str) -> None:
    config, _ = configured(tmp_path, write("shop.csv", text))
    [source] = config.source
    assert (source.name, source.key, source.separator) == ("shop", "sku", ",")
    assert types(config) == {"title": "name", "price": "number"}


def test_a_csv_is_read_in_another_encoding_of_unicode(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_bytes(ROWS.encode("utf-16"))
    config, _ = configured(tmp_path, tmp_path / "shop.csv")
    assert types(config) == {"title": "name", "price": "number"}


@pytest.mark.parametrize("separator", ["\t", ";", "|", "%"])
def test_the_separator_is_found_and_written(tmp_path: Path, write: Write, separator: str) -> None:
    config, _ = configured(tmp_path, write("shop.csv", ROWS.replace(",", separator)))
    assert config.source[0].separator == separator
    assert types(config) == {"title": "name", "price": "number"}


def test_a_column_name_that_stands_twice_is_left_out_and_said(tmp_path: Path, write: Write) -> None:
    config, text = configured(
        tmp_path, write("a.csv", "sku,title,price,title\nA1,Shoe,10,Schuh\nA2,Cap,12,\n")
    )
    assert types(config) == {"price": "number"}
    assert "# column 'title' stands 2 times" in text


def test_a_line_break_in_a_quoted_header_stays_in_the_columns_name(tmp_path: Path, write: Write) -> None:
    config, _ = configured(tmp_path, write("a.csv", 'sku,"Net\nweight"\nA1,10\nA2,11\n'))
    assert config.source[0].fields["Net_weight"].column == "Net\nweight"


def test_a_file_without_a_header_gets_names_of_columns(tmp_path: Path, write: Write) -> None:
    rows = "".join(f"{n},word{n} and more,{n * 1.5}\n" for n in range(30))
    config, _ = configured(tmp_path, write("a.csv", rows))
    [source] = config.source
    assert source.columns == ["column_1", "column_2", "column_3"]
    assert (source.key, types(config)) == ("column_1", {"column_2": "name", "column_3": "number"})


def test_null_markers_do_not_make_a_column_of_words(tmp_path: Path, write: Write) -> None:
    rows = "sku,price\nA1,10\nA2,NULL\nA3,N/A\nA4,-\nA5,12\n"
    config, text = configured(tmp_path, write("a.csv", rows))
    assert types(config) == {"price": "number"}
    assert "60% empty" in text


def test_json_lines_have_lists_and_missing_values(tmp_path: Path, write: Write) -> None:
    rows = [
        {"id": f"p{n}", "tags": ["x", "y"], "lat": 50 + n / 7, "lon": n / 3, "in": {"a": 1}} for n in range(9)
    ]
    lines = "\n".join([json.dumps(row) for row in rows] + ['{"id": "q", "price": 3}', "not json"])
    config, text = configured(tmp_path, write("places.jsonl", lines))
    assert config.source[0].kind == "json"
    assert types(config) == {"tags": "set", "place": "place", "price": "number"}
    assert config.source[0].fields["place"].columns == ["lat", "lon"]
    assert '# left out: "in"' in text
    assert "1 lines are no JSON object" in text


def test_parquet_has_columns_of_every_kind_and_names_with_dots(tmp_path: Path) -> None:
    folder = tmp_path / "export [v2]" / "brand=007"
    folder.mkdir(parents=True)
    table = pa.table(
        {
            "item.id": pa.array(range(30)),
            "desc.en": [
                f"a long text that says much about the thing number {n} and even more of it"
                for n in range(30)
            ],
            "photo": [noise(n) for n in range(30)],
            "made": pa.array([n * 86_400_000 for n in range(30)], pa.timestamp("ms")),
            "vector": [[0.5] * 8] * 30,
        }
    )
    pq.write_table(table, folder / "part.parquet")
    (folder.parent / "README.md").write_text("not a table")
    config, text = configured(tmp_path, folder.parent)
    assert (config.source[0].kind, config.source[0].key) == ("parquet", "item.id")
    assert types(config) == {"desc_en": "text", "photo": "image", "made": "date", "brand": "category"}
    assert "vectors of 8 numbers" in text


def test_a_folder_of_pictures_has_its_files_names_as_keys(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(3):
        (photos / f"A{n}.png").write_bytes(noise(n))
    config, _ = configured(tmp_path, photos)
    assert (config.source[0].kind, config.source[0].pattern) == ("images", "{key}.png")
    (photos / "more.jpg").write_bytes(noise(9))
    config, _ = configured(tmp_path, photos)
    assert config.source[0].pattern == "{}"


def test_pictures_beside_a_table_become_a_field_of_it(tmp_path: Path, write: Write) -> None:
    table = write("shop.csv", ROWS)
    for n in (1, 2):
        write(f"photos/A{n}.jpg", "a picture")
    config, _ = configured(tmp_path, table)
    assert config.source[0].fields["image"].file == "photos/{sku}.jpg"
    assert types(config)["title"] == "text"  # what pictures can be compared with


def test_a_folder_with_one_table_and_its_pictures_is_that_table(tmp_path: Path, write: Write) -> None:
    table = write("shop/rows.csv", ROWS)
    write("shop/photos/A1.jpg", "a picture")
    write("shop/photos/A2.jpg", "another")
    config, _ = configured(tmp_path, table.parent)
    assert (config.source[0].kind, config.source[0].path) == ("csv", str(table.parent))
    assert config.source[0].fields["image"].file == "photos/{sku}.jpg"
    _, text = configured(tmp_path, table, table.parent / "photos")
    assert "# rows.image has these files, too: leave one of the two out" in text


def test_tables_of_other_columns_in_one_folder_are_several_sources(tmp_path: Path, write: Write) -> None:
    write("both/a.csv", ROWS)
    write("both/b.csv", "id,colour\n1,red\n")
    done = run(tmp_path / "both", "--output", tmp_path / "a.toml")
    assert done.exit_code == 1
    assert "a.csv and b.csv have other columns" in done.output


def test_a_column_that_names_pictures_is_one(tmp_path: Path, write: Write) -> None:
    table = write("shop.csv", "sku,file\nA1,a.png\nA2,b.png\n")
    write("pics/a.png", "a picture")
    write("pics/b.png", "another")
    config, _ = configured(tmp_path, table)
    assert config.source[0].fields["file"].file == "pics/{file}"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "colour,price\nred,1\nred,2\nblue,2\n", "no column can be the key"),
        ("a.csv", "", "the file is empty"),
        ("a.csv", "sku,title\n", "there are no rows"),
        ("a.csv", "sku\nA1\nA2\n", "nothing to compare"),
        ("a.jsonl", "[1, 2]\n", "no line of it is a JSON object"),
        ("a.parquet", "not parquet", "cannot be read as Parquet"),
        ("a.xlsx", "a", "of no kind that xmer init knows"),
    ],
)
def test_what_cannot_be_a_source_is_a_sentence(write: Write, name: str, text: str, expected: str) -> None:
    path = write(name, text)
    done = run(path, "--output", path.with_name("a.toml"))
    assert done.exit_code == 1
    assert expected in done.output
    assert str(path) in done.output
    assert not path.with_name("a.toml").exists()


def test_a_folder_of_several_kinds_is_not_guessed_at(tmp_path: Path, write: Write) -> None:
    write("both/a.jpg", "a picture")
    write("both/a.txt", "a text")
    done = run(tmp_path / "both", "--output", tmp_path / "a.toml")
    assert done.exit_code == 1
    assert "holds images (a.jpg) and texts (a.txt)" in done.output
