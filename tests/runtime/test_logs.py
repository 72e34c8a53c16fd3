"""Every failure ends in one sentence, and the log has what led to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.slices import write_small
from xmer_spark import cli
from xmer_spark.errors import XmerError
from xmer_spark.runtime import logs
from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context

#: The handlers that a command installs, once per process.
OWN = (logs._ToTerminal, logging.FileHandler)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in; what a command here or in another test does to the loggers is undone."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, ("xmer", "xmer_spark"))]
    levels = [logger.level for logger in loggers]
    others = [handler for handler in root.handlers if isinstance(handler, OWN)]
    for handler in others:
        root.removeHandler(handler)
    before = set(root.handlers)
    yield tmp_path
    for handler in set(root.handlers) - before:
        root.removeHandler(handler)
        handler.close()
    for handler in others:
        root.addHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    logging.captureWarnings(False)


def launched(folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> str:
    """What a job says whose step fails like this."""
    monkeypatch.setattr("sys.argv", ["job", "--config", str(write_small(folder, every=400))])

    def step(context: Context) -> None:
        """A step that fails."""
        raise error

    with pytest.raises(SystemExit) as ended:
        launch(step)
    return str(ended.value)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (XmerError("catalogue.csv: no column sku"), "xmer: catalogue.csv: no column sku"),
        (MemoryError(), "xmer: the driver ran out of memory; "),
        (KeyboardInterrupt(), "xmer: interrupted; run the same command again"),
        (ZeroDivisionError("by nothing"), "xmer: ZeroDivisionError: by nothing; this was not expected"),
    ],
)
def test_a_job_that_fails_ends_in_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, sentence: str
) -> None:
    said = launched(folder, monkeypatch, error)
    assert said.startswith(sentence)
    assert "\n" not in said


def test_the_log_has_the_traceback_and_the_terminal_has_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    launched(folder, monkeypatch, ZeroDivisionError("by nothing"))
    text = logs.LOG.read_text("utf-8")
    assert "Traceback" in text
    assert "in step" in text
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_that_explains_itself_needs_no_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched(folder, monkeypatch, XmerError("no column sku"))
    assert not logs.LOG.exists()


def test_where_no_log_can_be_kept_the_terminal_has_the_details(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    launched(folder, monkeypatch, ZeroDivisionError("by nothing"))
    assert "Traceback" in capsys.readouterr().err
    assert not logs.LOG.exists()


def test_a_command_that_fails_ends_in_one_sentence_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_small(folder, every=400)
    monkeypatch.setattr(cli, "published", lambda *_: 1 / 0)
    result = CliRunner().invoke(cli.main, ["query", "FROM items", "--config", "small.toml"])
    assert result.exit_code == 1
    assert "ZeroDivisionError: division by zero; this was not expected" in result.output
    assert "Traceback" in logs.LOG.read_text("utf-8")


def test_a_command_line_that_cannot_be_read_is_explained_as_ever() -> None:
    result = CliRunner().invoke(cli.main, ["resolve-everything"])
    assert result.exit_code == 2
    assert "No such command" in result.output
