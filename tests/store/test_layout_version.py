"""A warehouse of another version is refused before anything in it is touched."""

from __future__ import annotations

import json
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

import pytest

from xmer_spark.errors import XmerError
from xmer_spark.schema import TABLES, VERSION
from xmer_spark.store import layout
from xmer_spark.store.published import Published

#: What the tables of each version look like. A changed table needs a new version, and a line here; where one
#: is added, the line is changed.
KNOWN = {1: "ad9b09760fc3cff4", 2: "aa2ee190f1b21ed8", 3: "c139efae86f20cde"}


def digest(without: Collection[str] = ()) -> str:
    """What tells the tables of a version from those of others; some tables and columns may be left out."""
    columns = {name: [[(c.name, c.type, c.nullable) for c in t.columns if c.name not in without],
                      t.key, t.partition_by, t.checks]
               for name, t in TABLES.items() if name not in without}  # fmt: skip
    return sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()[:16]


def test_a_changed_table_has_a_new_version() -> None:
    assert digest() == KNOWN[VERSION], "raise schema.VERSION, and note the new tables' digest here"


def test_two_columns_and_two_tables_are_all_that_has_come_since_version_2() -> None:
    assert digest(without=["values", "value_records", "marks", "scores"]) == KNOWN[2]


def made_of(root: Path, version: int | None) -> str:
    """A warehouse that holds tables of a version."""
    (root / "runs" / "_delta_log").mkdir(parents=True)
    if version is not None:
        (root / "_version.json").write_text(json.dumps({"tables": version}))
    return str(root)


def test_a_new_warehouse_is_stamped_and_then_taken(tmp_path: Path) -> None:
    root = str(tmp_path / "warehouse")
    layout.begin(root)
    (tmp_path / "warehouse" / "runs" / "_delta_log").mkdir(parents=True)
    layout.begin(root)
    layout.check(root)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (None, "from before tables had versions; set warehouse.path"),
        (VERSION + 1, "from a newer xmer"),
        (1, "from an older xmer, and this one has 3; `xmer migrate --config FILE` carries"),
        (2, "from an older xmer, and this one has 3; `xmer migrate --config FILE` carries"),
    ],
)
def test_tables_of_another_version_are_refused(tmp_path: Path, version: int | None, said: str) -> None:
    root = made_of(tmp_path / "warehouse", version)
    before = sorted(tmp_path.rglob("*"))
    for use in (layout.begin, layout.check, lambda root: Published(root).versions):
        with pytest.raises(XmerError, match=said):
            use(root)
    assert sorted(tmp_path.rglob("*")) == before
