"""What a piece of work takes, this process and all that it started together, and the line that says so."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

import psutil

T = TypeVar("T")


class Cost(NamedTuple):
    """Wall seconds, processor seconds of all processes, and the most memory that they had at once in GiB."""

    seconds: float
    cpu_seconds: float
    peak_gib: float = 0.0

    def times(self, factor: float) -> Cost:
        return Cost(self.seconds * factor, self.cpu_seconds * factor, self.peak_gib)


def measured(work: Callable[[], T]) -> tuple[Cost, T]:
    """What the work took, and its result. Memory is looked at twice a second."""
    peak = [0.0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            peak[0] = max(peak[0], memory_gib())

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    start, cpu = time.perf_counter(), cpu_seconds()
    result = work()
    seconds, cpu = time.perf_counter() - start, cpu_seconds() - cpu
    done.set()
    watching.join()
    return Cost(seconds, cpu, peak[0]), result


def fastest(runs: int, works: Sequence[Callable[[], T]]) -> list[tuple[Cost, T]]:
    """Of each work its fastest run; they run in turns, for what else the machine does changes."""
    turns = [[measured(work) for work in works] for _ in range(runs)]
    return [min(own, key=lambda run: run[0].seconds) for own in zip(*turns, strict=True)]


def processes() -> list[psutil.Process]:
    me = psutil.Process()
    return [me, *me.children(recursive=True)]


def cpu_seconds() -> float:
    """User and system time so far, that of started processes which have ended included."""
    total = 0.0
    for process in processes():
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # user, system, and both of children that have ended
    return total


def memory_gib() -> float:
    """Resident memory now; what several processes share is divided among them."""
    total = 0
    for process in processes():
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 2**30


def report(
    work: str, n: int, cost: Cost, peer: str | None = None, other: Cost | None = None, **more: object
) -> None:
    """Print one line of JSON; ``ratio`` is how many times as long the peer takes."""
    line: dict[str, object] = {
        "work": work,
        "n": n,
        "seconds": round(cost.seconds, 2),
        "cpu_seconds": round(cost.cpu_seconds, 2),
        "peak_gib": round(cost.peak_gib, 2),
    }
    if peer is not None:
        line["peer"] = peer
    if other is not None:
        line |= {
            "peer_seconds": round(other.seconds, 2),
            "ratio": round(other.seconds / cost.seconds, 2),
            "peer_cpu_seconds": round(other.cpu_seconds, 2),
            "cpu_ratio": round(other.cpu_seconds / cost.cpu_seconds, 2),
        }
    print(json.dumps(line | more), flush=True)
