"""Where messages go: the flow of a run to the terminal, and the same with all details to ``xmer.log``."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

from xmer_spark.errors import XmerError
from xmer_spark.runtime.failures import explain

log = logging.getLogger(__name__)

#: In the folder that a command is run from.
LOG = Path("xmer.log")
_TERMINAL = "xmer's terminal"


class _WithoutTraceback(logging.Formatter):
    """The message of a record alone."""

    def format(self, record: logging.LogRecord) -> str:
        plain = logging.makeLogRecord(record.__dict__ | {"exc_info": None, "exc_text": None})
        return super().format(plain)


def configure() -> None:
    """Send the project's messages and others' warnings to the terminal and to the log, once per process.

    Where the folder cannot be written to there is no log, and the terminal has the details too.
    """
    root = logging.getLogger()
    if any(handler.name == _TERMINAL for handler in root.handlers):
        return
    writable = os.access(LOG.resolve().parent, os.W_OK)
    terminal = logging.StreamHandler()
    terminal.name = _TERMINAL
    kind = _WithoutTraceback if writable else logging.Formatter
    terminal.setFormatter(kind("%(asctime)s  %(message)s", "%H:%M:%S"))
    terminal.setLevel(logging.INFO if writable else logging.DEBUG)
    root.addHandler(terminal)
    if writable:
        file = logging.FileHandler(LOG, encoding="utf-8", delay=True)
        file.setFormatter(logging.Formatter("%(asctime)s  %(levelname)s  %(name)s  %(message)s"))
        root.addHandler(file)
    root.setLevel(logging.WARNING)
    for name in ("xmer", "xmer_spark"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.captureWarnings(True)


def end(error: BaseException) -> NoReturn:
    """End the process with one sentence about a failure; what led to it is in the log."""
    if not isinstance(error, XmerError) or error.__cause__ is not None:
        log.debug("the command failed", exc_info=error)
    sys.exit(f"xmer: {explain(error)}")
