"""What a terminal shows while a step runs, and what stays."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from xmer_spark.runtime import progress
from xmer_spark.runtime.logs import _ToTerminal
from xmer_spark.runtime.terminal import Terminal


@pytest.fixture
def terminal() -> Terminal:
    """A terminal whose screen is a string."""
    shown = Terminal()
    shown.console = Console(file=io.StringIO(), force_terminal=True, width=80, highlight=False, markup=False)
    return shown


def screen(terminal: Terminal) -> str:
    assert isinstance(terminal.console.file, io.StringIO)
    return terminal.console.file.getvalue()


@pytest.fixture
def handler(terminal: Terminal) -> _ToTerminal:
    """The log's way to the terminal."""
    return _ToTerminal(terminal, details=False)


def record(name: str, level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, message, (), None)


def test_the_running_step_is_one_line_that_goes_when_it_ends(terminal: Terminal) -> None:
    with terminal.running("extract", lambda: "3 of 8 tasks"):
        terminal.said = "fitted tfidf"
    assert "extract  0:00  fitted tfidf  3 of 8 tasks" in screen(terminal)
    assert screen(terminal).rstrip().endswith("\x1b[2K")  # erased


def test_where_there_is_no_terminal_nothing_is_drawn(terminal: Terminal) -> None:
    terminal.console = Console(file=io.StringIO(), force_terminal=False)
    with terminal.running("extract", lambda: "3 of 8 tasks"):
        pass
    assert screen(terminal) == ""


@pytest.mark.parametrize(
    ("name", "level", "stays"),
    [
        ("xmer", logging.INFO, True),
        ("xmer_spark.blocking.records.stage", logging.WARNING, True),
        ("xmer_spark.blocking.records.stage", logging.INFO, False),
        ("xmer_spark.blocking.records.stage", logging.DEBUG, False),
        ("py.warnings", logging.WARNING, False),
        ("xmerge", logging.WARNING, False),
    ],
)
def test_the_flow_and_the_project_s_warnings_stay(
    terminal: Terminal, handler: _ToTerminal, name: str, level: int, stays: bool
) -> None:
    handler.emit(record(name, level, "a message [of] some kind"))
    assert ("a message [of] some kind" in screen(terminal)) == stays


def test_a_detail_is_what_the_running_step_says_of_itself(terminal: Terminal, handler: _ToTerminal) -> None:
    handler.emit(record("xmer_spark.steps.train.folds", logging.INFO, "fold 2 of 3"))
    assert terminal.said == "fold 2 of 3"


def test_with_details_everything_stays(terminal: Terminal, handler: _ToTerminal) -> None:
    handler.details = True
    handler.emit(record("py.warnings", logging.WARNING, "deprecated"))
    assert "deprecated" in screen(terminal)


def test_spark_tells_how_far_it_is(spark: SparkSession) -> None:
    from threading import Thread
    from time import monotonic, sleep

    from pyspark.sql import functions as F

    def slow(batches: Iterator[object]) -> Iterator[object]:
        sleep(3)
        yield from batches

    rows = spark.range(0, 100, 1, 4).repartition(2, F.col("id")).mapInArrow(slow, "id long")
    job = Thread(target=rows.count)
    job.start()
    found, end = None, monotonic() + 60
    while job.is_alive() and monotonic() < end and (found is None or found.tasks != 2):
        found = progress.activity(spark)
        sleep(0.05)
    job.join()
    assert found is not None
    assert found.tasks == 2
    assert 0 <= found.done <= 2
    assert found.seconds < 60
