"""One writer of a warehouse at a time: by real processes, which also get killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from xmer_spark.errors import XmerError
from xmer_spark.store.lock import writing

HOLDER = """
import sys, time
from xmer_spark.store.lock import writing
with writing(sys.argv[1], "xmer run"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that writes to the warehouse until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    said = rf"is being written to by xmer run \(process {holder.pid} on .*, since .* UTC\); one run at a time"
    for _ in range(2):  # asking does not take it away
        with pytest.raises(XmerError, match=said), writing(str(tmp_path), "xmer decide"):
            pytest.fail("two wrote at once")
    holder.communicate("")
    with writing(str(tmp_path), "xmer decide"):
        pass


def test_a_killed_writer_is_in_nobodys_way(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    assert "xmer run" in (tmp_path / "_writer.lock").read_text()  # it could not even say that it has ended
    with writing(str(tmp_path), "xmer decide"):
        pass


def test_two_threads_are_two_writers(tmp_path: Path) -> None:
    found: list[str] = []

    def second() -> None:
        try:
            with writing(str(tmp_path), "second"):
                found.append("wrote")
        except XmerError as error:
            found.append(str(error))

    with writing(str(tmp_path), "first"):
        thread = Thread(target=second)
        thread.start()
        thread.join()
    assert len(found) == 1
    assert "is being written to by first" in found[0]


def test_the_lock_is_given_back_where_what_was_done_has_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing(str(tmp_path), "first"):
        raise ZeroDivisionError
    with writing(str(tmp_path), "second"):
        pass


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs a folder that nobody may write to")
def test_where_nothing_can_be_written_there_is_nothing_to_lock() -> None:
    with writing("/sys/warehouse", "first"), writing("/sys/warehouse", "second"):
        assert not Path("/sys/warehouse").exists()
