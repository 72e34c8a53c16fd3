"""What a table's log says, without Spark: the newest version, whose commit that is, and if it is whole."""

from __future__ import annotations

import json
import re

import fsspec

from xmer_spark.errors import XmerError

_COMMIT = re.compile(r"/(\d{20})\.json$")
#: What a job says that finds another's commit where its own should be.
MEANWHILE = (
    "another run has written here meanwhile, so nothing of this one is published; "
    "run the same command again after the other has ended"
)


def newest(path: str) -> int | None:
    """The number of a table's last commit, which is the name of its file (Delta's protocol).

    Asking Spark for it costs a job, and a run asks dozens of times.
    """
    fs, folder = fsspec.core.url_to_fs(f"{path}/_delta_log")
    try:
        names = fs.ls(folder, detail=False, refresh=True)
    except FileNotFoundError:
        return None
    return max((int(found[1]) for found in map(_COMMIT.search, names) if found), default=None)


def made(path: str, version: int, transaction: str) -> bool:
    """Whether a version is there and was committed by this transaction."""
    try:
        actions = _entry(path, version).splitlines()
    except FileNotFoundError:
        return False
    return any(json.loads(action).get("txn", {}).get("appId") == transaction for action in actions if action)


def check_whole(path: str, published: int | None = None) -> None:
    """An XmerError where the last entry of a table's log is cut off, and what to do about it.

    A full disk, a crash or a copy of a table that was being written leaves such an entry. ``published`` is
    the table's published version, where that is known.
    """
    version = newest(path)
    if version is None:
        return
    try:
        json.loads(_entry(path, version).rstrip(b"\n").rpartition(b"\n")[2])
    except ValueError:
        file = f"{path}/_delta_log/{version:020d}.json"
        what_to_do = (
            "remove that file and run the same command again: what it was to say is written anew"
            if published != version
            else "what is published needs it: bring it back from a copy, or roll back to a run before it "
            "(`xmer runs` lists them) and then remove it"
        )
        raise XmerError(f"{file}, the last entry of the table's log, is cut off; {what_to_do}") from None


def _entry(path: str, version: int) -> bytes:
    fs, file = fsspec.core.url_to_fs(f"{path}/_delta_log/{version:020d}.json")
    found: bytes = fs.cat_file(file)
    return found
