"""Where a source's input is, and whether it changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from xmer_spark.config import Source
from xmer_spark.errors import ConfigError
from xmer_spark.sources.place import fingerprint, locate


def texts(**keys: object) -> Source:
    return Source.model_validate({"name": "s", "kind": "texts", "path": "texts", "modality": "text"} | keys)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    (tmp_path / "list").write_text("key\na.txt\n")
    return tmp_path


def test_a_fingerprint_is_the_same_until_something_changes(root: Path) -> None:
    source = texts(listing="../list", key="key")
    seen = [fingerprint(source, root), fingerprint(source, root)]
    (root / "texts" / "b.txt").write_text("b")
    seen.append(fingerprint(source, root))
    (root / "texts" / "b.txt").write_text("bb")
    seen.append(fingerprint(source, root))
    (root / "list").write_text("key\nb.txt\n")
    seen.append(fingerprint(source, root))
    assert seen[0] == seen[1]
    assert len(set(seen)) == 4


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
        ({"kind": "csv", "key": "id"}, "content: name the column"),
        ({"kind": "csv", "key": "id", "modality": "relational"}, "attributes: name the columns"),
        ({"kind": "mat"}, "variable: name the matrix"),
        ({"modality": "image"}, "modality: of texts it is text"),
        ({"listing": "list"}, "key: name the column"),
        ({"label_numbers": True, "label": "class"}, "label_numbers: needs label and labels"),
        ({"split": "split", "fixed_split": "test"}, "leave out either"),
    ],
)
def test_a_source_that_cannot_work_is_refused_when_the_configuration_is_read(
    keys: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        texts(**keys)
