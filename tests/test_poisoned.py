"""Bad input through the whole path: what is good is resolved, what is bad says why, nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from tests.slices import PLACES, TO_ENTITIES, run_all
from xmer_spark.config import load_config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SAMPLE = Path(__file__).resolve().parent.parent / "xmer_spark" / "sample"
MODALITIES = {"google": "image", "cldr": "text"}
#: A row of the list file by the key of the reject that it must become, with the file that it names.
BAD_ROWS = {
    "google": {
        "gone": ("missing_file", "gone|E|Symbols|train", None),
        "noise": ("unreadable_image", "noise|E|Symbols|train", b"this is no image"),
        "empty": ("unreadable_image", "empty|E|Symbols|train", b""),
        "page": ("unreadable_image", "page|E|Symbols|train", b"<html>404 not found</html>"),
        "cut": ("truncated_image", "cut|E|Symbols|train", "the first half of a good image"),
        "heavy": ("file_too_large", "heavy|E|Symbols|train", bytes(50_001)),
        "../secret": ("outside_root", "../secret|E|Symbols|train", None),
        "strange": ("unknown_label", "strange|E|Nonsense|train", "a good image"),
        "elsewhere": ("malformed_row", "elsewhere|E|Symbols|holdout", "a good image"),
        "google.list:111": ("malformed_row", "short|E", None),
        "google.list:112": ("missing_key", "|E|Symbols|train", None),
    },
    "cldr": {
        "nothing": ("empty_text", "nothing|E|Symbols|train", b""),
        "blank": ("empty_text", "blank|E|Symbols|train", b" \n\t "),
        "latin": ("not_utf8", "latin|E|Symbols|train", "caf\u00e9".encode("latin-1")),
        "binary": ("not_utf8", "binary|E|Symbols|train", bytes(range(256))),
        "lost": ("missing_file", "lost|E|Symbols|train", None),
        "long": ("file_too_large", "long|E|Symbols|train", b"x" * 50_001),
        "/etc/hostname": ("outside_root", "/etc/hostname|E|Symbols|train", None),
        "odd": ("unknown_label", "odd|E|Nonsense|train", b"a good text"),
        "cldr.list:110": ("malformed_row", "too|many|of|these|columns", None),
    },
}


def write_source(folder: Path, name: str, entities: set[str]) -> str:
    """A folder of good and bad files with their list; returns the source's section of a configuration."""
    modality = MODALITIES[name]
    rows = [r for r in pq.read_table(SAMPLE / f"{name}.parquet").to_pylist() if r["entity"] in entities]
    (folder / name).mkdir()
    for row in rows:
        content = row[modality] if modality == "image" else row[modality].encode()
        (folder / name / row["key"]).write_bytes(content)
    good = rows[0]["image"] if modality == "image" else b""
    for key, (_, _, content) in BAD_ROWS[name].items():
        if content == "the first half of a good image":
            content = good[: len(good) // 2]
        if content is not None:
            (folder / name / key).write_bytes(good if isinstance(content, str) else content)
    lines = [
        "key|entity|label|split",
        *("|".join(row[c] for c in ("key", "entity", "label", "split")) for row in rows),
    ]
    lines += [line for _, line, _ in BAD_ROWS[name].values()]
    (folder / f"{name}.list").write_text("\n".join(lines) + "\n")
    return f"""
[[source]]
name = "{name}"
kind = "{modality}s"
path = "{folder}/{name}"
listing = "../{name}.list"
separator = "|"
key = "key"
label = "label"
labels = {sorted({row["label"] for row in rows})}
entity = "entity"
split = "split"
one_per_entity = true
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    entities = sorted(pq.read_table(SAMPLE / "google.parquet", columns=["entity"])["entity"].to_pylist())
    sources = [write_source(tmp_path, name, set(entities[::19][:100])) for name in MODALITIES]
    (tmp_path / "secret").write_bytes(b"outside every source")
    file = tmp_path / "poisoned.toml"
    file.write_text(
        """
name = "poisoned"
[ingest]
max_file_bytes = 50_000
[extract]
image = ["colour"]
text = ["tfidf"]
[hashing]
bits = 64
[blocking]
method = "scan"
[train]
folds = 2
[evaluation]
bootstrap = 20
"""
        + PLACES.format(folder=tmp_path)
        + "".join(sources)
    )
    return file


def test_200_good_items_are_resolved_and_20_bad_inputs_are_rejected_with_their_reasons(
    spark: SparkSession, config_file: Path
) -> None:
    context = run_all(load_config(config_file), TO_ENTITIES)
    read = context.warehouse.read
    expected = {(name, key): reason for name in BAD_ROWS for key, (reason, _, _) in BAD_ROWS[name].items()}
    found = {(r["source"], r["key"]): r["reason"] for r in read("rejects").collect()}
    assert len(expected) == 20
    assert found == expected
    members = [row["item_id"] for row in read("members").collect()]
    assert len(members) == len(set(members)) == 200
    assert read("items").join(read("members"), "item_id", "left_anti").isEmpty()
