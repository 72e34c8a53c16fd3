"""Numerical libraries on one thread, so that what they compute does not hang on how many there are."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

#: What a library that is loaded later reads its number of threads from.
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

#: The number of threads belongs to the process, so one Python thread at a time may set it.
_LOCK = RLock()
_entered = False


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS, OpenMP and torch's operators on one thread: sums in one order, on any machine.

    Libraries that are loaded inside are on one thread too; afterwards all have as many as before. An inner
    use costs nothing, and another Python thread waits until the outermost has ended.
    """
    global _entered
    with _LOCK:
        if _entered:
            yield
            return
        _entered = True
        try:
            with _limited(), _announced():
                yield
        finally:
            _entered = False


@contextmanager
def _limited() -> Iterator[None]:
    libraries, torch = _libraries(len(sys.modules)), sys.modules.get("torch")
    torch_threads = torch.get_num_threads() if torch else 0
    try:
        with libraries.limit(limits=1):
            if torch:
                torch.set_num_threads(1)
            yield
    finally:
        if torch:
            torch.set_num_threads(torch_threads)
        _release_new(libraries, torch_is_new=torch is None)


@contextmanager
def _announced() -> Iterator[None]:
    """One thread in the environment, which libraries read once, when they are loaded.

    What says so already is left alone: another Python thread may be reading the environment, and one that
    grows meanwhile can end the process.
    """
    before = {name: os.environ.get(name) for name in _VARIABLES if os.environ.get(name) != "1"}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _release_new(known: ThreadpoolController, *, torch_is_new: bool) -> None:
    """Give libraries that were loaded on one thread the threads that they would have had."""
    allowed = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    seen = {library.filepath for library in known.lib_controllers}
    for library in _libraries(len(sys.modules)).lib_controllers:
        if library.filepath not in seen:
            library.set_num_threads(allowed)
    if torch_is_new and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(allowed)


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """The numerical libraries of the process, sought again (some milliseconds) when a module came."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
