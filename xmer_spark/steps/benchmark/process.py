"""A function in a process of its own, so that what it takes in time and memory is its own."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Self, TypeVar

from xmer_spark.errors import XmerError

#: What methods import on their first call, which is to be no part of their time and memory.
LIBRARIES = ("scipy.linalg", "scipy.sparse.csgraph", "sklearn.linear_model", "sklearn.ensemble", "torch")

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def alone(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """``function(argument)`` in a fresh process; an XmerError says what went wrong in it."""
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(theirs, function, argument), daemon=True)
    process.start()
    theirs.close()
    result: Any
    try:
        result, error = ours.recv()
    except EOFError:
        process.join()
        result, error = None, f"its process ended with exit code {process.exitcode}"
    except BaseException:
        process.kill()
        raise
    process.join()
    if error is not None:
        raise XmerError(error)
    answer: Result = result
    return answer


@cache
def _context() -> ForkServerContext:
    """Processes from a server that has the libraries loaded, but no data and no JVM as this one has."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["xmer_spark.steps.benchmark.fit", *LIBRARIES])
    return context


def _run(pipe: Connection, function: Callable[[Any], Any], argument: Any) -> None:
    try:
        pipe.send((function(argument), None))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{type(error).__name__}: {error} ({Path(where.filename).name}, line {where.lineno})"
        pipe.send((None, message))


class Meter:
    """Wall clock and memory of what runs inside: ``seconds``, and ``bytes`` above what was held before."""

    def __enter__(self) -> Self:
        forget_peak()
        self._before = peak_memory()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self._started
        self.bytes = max(peak_memory() - self._before, 0)


def forget_peak() -> None:
    """Let the peak start again at what is held now; where the system does not allow it, it stays."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """The most memory that this process has held so far, in bytes.

    From Linux's ``/proc`` where it is there: ``ru_maxrss`` of a new process starts at its parent's peak.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
