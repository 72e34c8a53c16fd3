"""Folders of files: what is a table's own, what lies beside it, and what is wrong with it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sources.reading import Found, read
from xmer_spark.errors import ConfigError

TITLE = {"key": "sku", "fields": {"title": {"type": "text"}}}
NAMES = ["a [1].csv", "b%20.csv", "c#+ ?.CSV", "{d}.csv", "\U0001f600.csv", "e\u0301.tsv", "f\\g.csv"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "t"
    folder.mkdir()
    return folder


def table(file: Path, key: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"sku,title\n{key},x\n")


def found_in(folder: Path, kind: str = "csv") -> Found:
    return read(folder.parent, kind=kind, path=folder.name, **TITLE)


def test_a_file_s_name_may_hold_what_file_systems_allow(folder: Path) -> None:
    for number, name in enumerate(NAMES):
        table(folder / name, str(number))
    assert set(found_in(folder).records) == {str(number) for number in range(len(NAMES))}


def test_what_is_left_out_is_told_unless_it_is_a_note(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.csv", "_b.csv", "_sub/c.csv"):
        table(folder / name, name)
    (folder / "empty.csv").write_text("\n")
    for note in ("_SUCCESS", "_metadata", ".a.csv.crc", ".DS_Store"):
        (folder / note).write_text("x")
    with caplog.at_level(logging.WARNING):
        assert list(found_in(folder).records) == ["a.csv"]
    assert [message.rpartition(": ")[2] for message in caplog.messages] == ["_b.csv, _sub/c.csv", "empty.csv"]


@pytest.mark.parametrize(
    ("put", "message"),
    [
        (lambda file: file.symlink_to("nothing"), "is no file, or a link to none"),
        (lambda file: file.symlink_to(file), "is no file, or a link to none"),
        (os.mkfifo, "is no file, or a link to none"),
        (lambda file: table(file.with_stem("b\udcff"), "2"), "is not UTF-8; rename"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_file_of_the_table_that_is_none_is_told(
    folder: Path, put: Callable[[Path], None], message: str, kind: str
) -> None:
    table(folder / f"a.{kind}", "1")
    put(folder / f"b.{kind}")
    with pytest.raises(ConfigError, match=message):
        found_in(folder, kind)


def test_a_folder_without_files_is_told(folder: Path) -> None:
    (folder / "sub").mkdir()
    with pytest.raises(ConfigError, match="source s: no file in"):
        read(folder.parent, kind="texts", path="t")


def test_a_path_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="source s: path: "):
        read(tmp_path, kind="csv", path="x" * 5000, **TITLE)


def test_a_list_may_name_files_as_windows_does(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text("a")
    (folder / "back\\slash.txt").write_text("b")
    (folder.parent / "secret.txt").write_text("s")
    (folder / "list").write_text("sku,f\n1,sub\\a.txt\n2,back\\slash.txt\n3,..\\secret.txt\n")
    found = read(folder.parent, kind="texts", path="t", listing="list", key="sku", pattern="{f}")
    assert found.values("text") == {"1": "a", "2": "b"}
    assert [(key, reason) for key, _, reason in found.refusals] == [("3", "outside_root")]
