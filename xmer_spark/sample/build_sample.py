"""Rebuild the bundled emoji sample, byte for byte, from three npm packages.

``npm pack emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0 emojibase-data@17.0.0``
fetches them. Each may be given as the ``.tgz`` that npm writes or as the folder it unpacks to. The bytes
also depend on the version of pyarrow, which the project pins.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

PACKAGES = {
    "google": ("emoji-datasource-google", "16.0.0"),
    "twitter": ("emoji-datasource-twitter", "16.0.0"),
    "emojibase": ("emojibase-data", "17.0.0"),
}
SPLITS = (("train", 0.6), ("validation", 0.1), ("test", 0.3))
#: U+FE0F asks for the colourful form of a character. The two data sets do not write it in the same places.
VARIATION_SELECTOR = "-FE0F"

Entry = dict[str, Any]


class Package:
    """The files of an npm package, packed or unpacked, by their path inside it."""

    def __init__(self, path: Path, name: str, version: str) -> None:
        self.path = path
        self.files = self._unpack() if path.is_file() else None
        found = json.loads(self.read("package.json"))
        if (found["name"], found["version"]) != (name, version):
            raise SystemExit(f"{path}: is {found['name']} {found['version']}; wanted: {name} {version}")

    def _unpack(self) -> dict[str, bytes]:
        with tarfile.open(self.path) as archive:
            members = [member for member in archive if member.isfile()]
            return {m.name.partition("/")[2]: archive.extractfile(m).read() for m in members}  # type: ignore[union-attr]

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes() if self.files is None else self.files[name]


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def draw_splits(entities: list[str]) -> dict[str, str]:
    """Cut the entities, in the order of their hashes, at the rounded cumulative fractions.

    >>> from collections import Counter
    >>> Counter(draw_splits([str(i) for i in range(1906)]).values())
    Counter({'train': 1144, 'test': 572, 'validation': 190})
    """
    ordered = sorted(entities, key=short_hash)
    splits: dict[str, str] = {}
    start, cumulative = 0, 0.0
    for split, fraction in SPLITS:
        cumulative += fraction
        stop = round(cumulative * len(ordered))
        splits |= dict.fromkeys(ordered[start:stop], split)
        start = stop
    return splits


def words(short_names: list[str]) -> str:
    """Short names as a person would write them.

    >>> words(["man-woman-boy", "smiling_face"])
    'man woman boy, smiling face'
    """
    return ", ".join(re.sub(r"[_-]+", " ", name).strip() for name in short_names)


def cldr_texts(emojibase: Package) -> dict[str, str]:
    """``label, tag, tag, ...`` by code points without the variation selector."""
    entries: list[Entry] = json.loads(emojibase.read("en/data.json"))
    return {
        entry["hexcode"].replace(VARIATION_SELECTOR, ""): ", ".join([entry["label"], *entry.get("tags", [])])
        for entry in entries
    }


def table(source: str, column: str, contents: dict[str, Any], emoji: list[Entry]) -> pa.Table:
    """One source, in the order of its keys, which say nothing about the emoji or another source's keys."""
    splits = draw_splits([entry["unified"] for entry in emoji])
    rows = sorted(
        (
            {
                "key": short_hash(f"{source}/{entry['unified']}"),
                column: contents[entry["unified"]],
                "label": entry["category"],
                "entity": entry["unified"],
                "split": splits[entry["unified"]],
            }
            for entry in emoji
        ),
        key=lambda row: row["key"],
    )
    types = {column: pa.binary() if column == "image" else pa.string()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in rows[0]])
    return pa.Table.from_pylist(rows, schema)


def build(paths: dict[str, Path], output: Path) -> None:
    packages = {name: Package(paths[name], *PACKAGES[name]) for name in PACKAGES}
    emoji = [e for e in json.loads(packages["google"].read("emoji.json")) if e["category"] != "Component"]
    cldr = cldr_texts(packages["emojibase"])
    tables = {
        vendor: table(
            vendor,
            "image",
            {e["unified"]: packages[vendor].read(f"img/{vendor}/64/{e['image']}") for e in emoji},
            emoji,
        )
        for vendor in ("google", "twitter")
    }
    tables["cldr"] = table(
        "cldr",
        "text",
        {e["unified"]: cldr[e["unified"].replace(VARIATION_SELECTOR, "")] for e in emoji},
        emoji,
    )
    tables["short_names"] = table(
        "short_names", "text", {e["unified"]: words(e["short_names"]) for e in emoji}, emoji
    )
    output.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        path = output / f"{name}.parquet"
        # PNG is compressed already; several row groups let Spark read a file with more than one task.
        compression = "none" if "image" in rows.column_names else "zstd"
        pq.write_table(rows, path, compression=compression, row_group_size=500)
        print(f"{path}: {rows.num_rows} rows, {path.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, (package, version) in PACKAGES.items():
        parser.add_argument(
            f"--{name}", type=Path, required=True, help=f"{package} {version}: .tgz or folder"
        )
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent, help="folder of the Parquet files"
    )
    arguments = vars(parser.parse_args())
    build(arguments, arguments["output"])


if __name__ == "__main__":
    main()
