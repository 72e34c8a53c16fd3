"""The terminal: what has happened stays, a line each; what runs now is one line that is drawn anew.

Where the output is no terminal, such as a file or a scheduler's log, nothing is drawn anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from xmer_spark.runtime.progress import clock

#: Says how far something is, where it can.
Progress = Callable[[], str | None]


class Terminal:
    """The error stream, shared by the log and by what shows progress."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        #: The last thing that the running step said of itself.
        self.said = ""

    def print(self, line: str) -> None:
        """A line that stays, above the one that is drawn anew."""
        self.console.print(line, soft_wrap=True)

    @contextmanager
    def running(self, name: str, progress: Progress) -> Iterator[None]:
        """Show that ``name`` runs, for how long, and how far it is, until the block ends."""
        self.said = ""
        if not self.console.is_terminal:
            yield
            return
        line = _Line(self, name, progress)
        with Live(get_renderable=line.drawn, console=self.console, transient=True, refresh_per_second=4):
            yield


class _Line:
    """What runs now: a step's name, its time, and how far it is."""

    def __init__(self, terminal: Terminal, name: str, progress: Progress) -> None:
        self.terminal, self.name, self.progress = terminal, name, progress
        self.started = time.monotonic()
        self.spinner = Spinner("dots")

    def drawn(self) -> Spinner:
        about = [self.name, clock(time.monotonic() - self.started), self.terminal.said, self.progress() or ""]
        text = "  ".join(part for part in about if part)
        self.spinner.update(text=text[: self.terminal.console.width - 4])
        return self.spinner
