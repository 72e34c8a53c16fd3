"""Which version of the tables a warehouse holds: stamped when it is begun, and checked before it is used.

A warehouse of another version is refused as a whole, before anything is read or written: half of its tables
in one form and half in another would be worse than none.
"""

from __future__ import annotations

import json
from pathlib import Path

import fsspec

from xmer_spark.errors import XmerError
from xmer_spark.schema import VERSION

_STAMP = "_version.json"
_WHAT_TO_DO = "set warehouse.path to a new folder and run there: everything is made again from the sources"


def root_of(path: str) -> str:
    """The full path or URL of a warehouse."""
    # Delta takes a path that starts with a dot for a table's name.
    return path.rstrip("/") if "://" in path else str(Path(path).resolve())


def begin(root: str) -> None:
    """Stamp a warehouse that has no tables yet; an XmerError where its tables are of another version."""
    check(root)
    fs, folder = fsspec.core.url_to_fs(root)
    if not fs.exists(f"{folder}/{_STAMP}"):
        stamp(root)


def stamp(root: str) -> None:
    """Say that the tables are of this version: wholly or not at all, whenever a kill may come."""
    fs, folder = fsspec.core.url_to_fs(root)
    fs.makedirs(folder, exist_ok=True)
    with fs.transaction:
        fs.pipe_file(f"{folder}/{_STAMP}", json.dumps({"tables": VERSION}).encode())


def version_of(root: str) -> int | None:
    """The version of the tables; None where there are none, 0 where they are from before versions."""
    fs, folder = fsspec.core.url_to_fs(root)
    if not fs.exists(f"{folder}/runs/_delta_log"):
        return None
    if not fs.exists(f"{folder}/{_STAMP}"):
        return 0
    found: int = json.loads(fs.cat_file(f"{folder}/{_STAMP}"))["tables"]
    return found


def check(root: str) -> None:
    """Raise an XmerError where there are tables that this version of xmer does not read."""
    found = version_of(root)
    if found in (None, VERSION):
        return
    if found == 0:
        raise XmerError(f"{root}: its tables are from before tables had versions; {_WHAT_TO_DO}")
    age, instead = (
        ("a newer", "use that xmer, or")
        if found > VERSION
        else ("an older", "`xmer migrate --config FILE` carries them over; or")
    )
    raise XmerError(
        f"{root}: its tables are of version {found}, from {age} xmer, and this one has {VERSION}; "
        f"{instead} {_WHAT_TO_DO}"
    )
