"""What the machine lacks is told in one sentence that says what to install."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from xmer_spark.errors import SetupError
from xmer_spark.runtime import environment


def java_that_says(folder: Path, banner: str) -> None:
    """A program called java that prints this where Java prints its version."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "java"
    program.write_text(f"#!{sys.executable}\nimport sys\nprint({banner!r}, file=sys.stderr)\n")
    program.chmod(0o755)


def test_the_java_of_this_machine_is_one_that_spark_runs_on() -> None:
    environment.check_java()


def test_without_java_it_says_how_to_install_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="no java on PATH; install a JDK 17 or 21"):
        environment.java_program()


def test_a_java_home_without_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SetupError, match=f"JAVA_HOME is {tmp_path}, which has no bin/java"):
        environment.java_program()


@pytest.mark.parametrize(
    ("banner", "told"),
    [('java version "1.8.0_392"', "is Java 8, and Spark"), ("what?", r"is Java \(unknown\), and Spark")],
)
def test_a_java_of_another_version_is_refused(
    banner: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java_that_says(tmp_path, banner)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SetupError, match=told):
        environment.check_java()


def test_too_little_room_is_told_with_what_is_needed(tmp_path: Path) -> None:
    environment.check_disk(tmp_path, 0.0)
    with pytest.raises(SetupError, match=r"GiB free, 1e\+09 GiB needed; make room and try again"):
        environment.check_disk(tmp_path, 1e9)


def test_where_the_jars_are_in_place_set_up_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.delta_jar() is not None
    monkeypatch.setattr(environment, "fetch_delta", lambda: pytest.fail("it fetched"))
    environment.main()


def test_a_fetch_that_fails_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that Spark's resolver runs in is replaced by one that cannot reach anything."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'unresolved dependency' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(SetupError, match=r"needs to reach Maven Central once(.|\n)*unresolved dependency"):
        environment.fetch_delta()
