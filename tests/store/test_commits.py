"""What a log that was cut off, and two writers without a lock, come to: told without Spark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests.published import publish, write_rows
from xmer_spark.errors import XmerError
from xmer_spark.store import commits
from xmer_spark.store.delta import Commit, add_rows
from xmer_spark.store.published import Published

COMMIT = Commit("run-1", "test")


def entry(root: Path, name: str, version: int) -> Path:
    return root / name / "_delta_log" / f"{version:020d}.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two versions of members, of which the last is published."""
    for n in range(2):
        write_rows(tmp_path, "members", [{"record_id": f"s/{n}"}])
    publish(tmp_path, [{"members": 0}, {"members": 1}])
    return tmp_path


@pytest.mark.parametrize("left", [0, 10, -1])
def test_a_last_entry_that_is_cut_off_is_told_with_what_to_do(root: Path, left: int) -> None:
    path, file = str(root / "members"), entry(root, "members", 1)
    commits.check_whole(path, 1)
    whole = file.read_bytes().rstrip()
    file.write_bytes(whole[:left])
    with pytest.raises(XmerError, match=rf"{file}, the last entry .* remove that file and run the same"):
        commits.check_whole(path, 0)
    with pytest.raises(XmerError, match="what is published needs it: bring it back from a copy"):
        commits.check_whole(path, 1)
    file.write_bytes(whole)
    commits.check_whole(path, 1)


def test_readers_are_told_of_an_entry_that_is_cut_off_and_see_what_lies_before_it(root: Path) -> None:
    file = entry(root, "members", 1)
    file.write_bytes(file.read_bytes()[:50])
    tables = Published(str(root))
    with pytest.raises(XmerError, match="the last entry of the table's log, is cut off"):
        tables.dataset("members")
    assert tables.dataset("members", 0).to_table().to_pylist() == [{"record_id": "s/0"}]
    runs = entry(root, "runs", 0)
    runs.write_bytes(b"")
    with pytest.raises(XmerError, match=f"{runs}, the last entry of the table's log, is cut off; remove"):
        _ = Published(str(root)).versions


def test_a_version_that_the_log_has_lost_is_told(root: Path) -> None:
    with pytest.raises(XmerError, match=r"members: version 7 cannot be read: the table's log"):
        Published(str(root)).dataset("members", 7)


def test_whose_commit_a_version_is_can_be_told(root: Path) -> None:
    path = str(root / "members")
    assert add_rows(path, [{"record_id": "s/2"}], COMMIT.transaction("members"), COMMIT) == 2
    assert commits.newest(path) == 2
    assert commits.made(path, 2, COMMIT.transaction("members"))
    assert not commits.made(path, 1, COMMIT.transaction("members"))
    assert not commits.made(path, 3, COMMIT.transaction("members"))
    assert commits.newest(str(root / "none")) is None


def test_a_row_on_top_of_what_was_seen_is_added_once_and_no_other(root: Path) -> None:
    path = str(root / "members")
    for _ in range(2):  # repeated, it is there already
        assert add_rows(path, [{"record_id": "s/2"}], "first", COMMIT, seen=1) == 2
    with pytest.raises(XmerError, match="another run has written here meanwhile, so nothing of this one is"):
        add_rows(path, [{"record_id": "s/3"}], "second", COMMIT, seen=1)
    assert DeltaTable(path).to_pyarrow_table().num_rows == 2


WRITER = """
import json, sys
from xmer_spark.errors import XmerError
from xmer_spark.store import commits
from xmer_spark.store.delta import Commit, add_rows
path, who = sys.argv[1:]
sys.stdin.readline()
done = []
for n in range(25):
    seen = commits.newest(path)
    try:
        add_rows(path, [{"record_id": f"{who}/{n}/{seen}"}], f"{who}-{n}", Commit(who, "test"), seen)
        done.append(seen)
    except XmerError as error:
        assert "another run has written here meanwhile" in str(error), error
print(json.dumps(done))
"""


def test_of_two_processes_only_one_publishes_on_top_of_what_both_have_seen(root: Path) -> None:
    path = str(root / "members")
    command = [sys.executable, "-c", WRITER, path]
    both = [
        subprocess.Popen([*command, who], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for who in ("a", "b")
    ]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    seen = [n for process in both for n in json.loads(process.communicate()[0])]
    assert sorted(seen) == list(range(1, len(seen) + 1))  # each version was followed once
    rows = DeltaTable(path).to_pyarrow_table(columns=["record_id"])
    assert rows.num_rows == len(seen) + 1
    assert isinstance(rows, pa.Table)
