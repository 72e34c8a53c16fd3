"""Where messages go: the flow of a run to the terminal, and the same with all details to ``xmer.log``."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn

from xmer_spark.errors import XmerError
from xmer_spark.runtime.failures import explain
from xmer_spark.runtime.terminal import Terminal

log = logging.getLogger(__name__)

#: In the folder that a command is run from.
LOG = Path("xmer.log")
#: The logger of what a user follows a run by; the modules' own loggers have the details.
FLOW = "xmer"


class _ToTerminal(logging.Handler):
    """The flow and the project's warnings as lines; details as what the running step says of itself.

    With ``details``, everything is a line, tracebacks too.
    """

    def __init__(self, terminal: Terminal, details: bool) -> None:
        super().__init__()
        self.terminal, self.details = terminal, details
        self.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        own = record.name.partition(".")[0] in (FLOW, "xmer_spark")
        if self.details:
            self.terminal.print(self.format(record))
        elif own and (record.levelno >= logging.WARNING or record.name == FLOW):
            without = logging.makeLogRecord(record.__dict__ | {"exc_info": None, "exc_text": None})
            self.terminal.print(self.format(without))
        elif own and record.levelno >= logging.INFO:
            self.terminal.said = record.getMessage()


def configure(verbose: bool = False) -> Terminal:
    """Send messages to the terminal and to the log, once per process, and return the terminal.

    ``verbose`` shows the details in the terminal, and so does a folder that no log can be written to.
    """
    root = logging.getLogger()
    for handler in root.handlers:
        if isinstance(handler, _ToTerminal):
            handler.details |= verbose
            return handler.terminal
    writable = os.access(LOG.resolve().parent, os.W_OK)
    terminal = Terminal()
    root.addHandler(_ToTerminal(terminal, details=verbose or not writable))
    if writable:
        file = logging.FileHandler(LOG, encoding="utf-8", delay=True)
        file.setFormatter(logging.Formatter("%(asctime)s  %(levelname)s  %(name)s  %(message)s"))
        root.addHandler(file)
    root.setLevel(logging.WARNING)
    for name in (FLOW, "xmer_spark"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.captureWarnings(True)
    return terminal


@contextmanager
def of_processes() -> Iterator[IO[bytes] | None]:
    """The log, for what other processes write; None where their words are for the terminal too."""
    handlers = logging.getLogger().handlers
    files = [h.baseFilename for h in handlers if isinstance(h, logging.FileHandler)]
    if not files or any(isinstance(h, _ToTerminal) and h.details for h in handlers):
        yield None
        return
    with open(files[0], "ab") as file:
        yield file


def end(error: BaseException) -> NoReturn:
    """End the process with one sentence about a failure; what led to it is in the log."""
    if not isinstance(error, XmerError) or error.__cause__ is not None:
        log.debug("the command failed", exc_info=error)
    sys.exit(f"xmer: {explain(error)}")
