"""One writer of a warehouse at a time: a second one stops, and says whom it has met.

The lock is the operating system's, on a file beside the tables. It ends with the process that holds it,
whatever ends that, and no clock decides: it is neither left behind by a killed process nor taken from a slow
one. Where machines share a file system that passes locks on (NFS does), it holds between them.

Where nothing can be locked (a warehouse behind a URL, a file system without locks), two runs may begin.
Neither publishes on top of the other then: a commit must follow what its run has seen (``store.delta``).
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from xmer_spark.errors import XmerError

log = logging.getLogger("xmer")

_FILE = "_writer.lock"
#: Who may not write here, cannot be in anyone's way.
_MAY_NOT = (errno.EACCES, errno.EPERM, errno.EROFS)
_CANNOT_LOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def writing(root: str, name: str) -> Iterator[None]:
    """Be the only writer of the warehouse; an XmerError says who else is. ``name`` is what is run."""
    file = _opened(root)
    if file is None:
        yield
        return
    try:
        _lock(file, root)
        since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        _tell(file, f"{name} (process {os.getpid()} on {socket.gethostname()}, since {since})")
        try:
            yield
        finally:
            _tell(file, "")
    finally:
        os.close(file)


def _opened(root: str) -> int | None:
    """The file to lock; None where there can be none."""
    if "://" in root:
        return None
    try:
        Path(root).mkdir(parents=True, exist_ok=True)
        return os.open(Path(root) / _FILE, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        if error.errno in _MAY_NOT:
            return None
        raise


def _lock(file: int, root: str) -> None:
    """Lock the file, where its file system has locks; an XmerError where another holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held = os.pread(file, 1000, 0).decode() or "another run"
        raise XmerError(
            f"{root} is being written to by {held}; one run at a time: try again when that has ended"
        ) from None
    except OSError as error:
        if error.errno not in _CANNOT_LOCK:
            raise
        log.warning("%s: its file system has no locks; see to it that no two runs write here at once", root)


def _tell(file: int, who: str) -> None:
    """Say in the file who holds it, for whoever comes meanwhile."""
    os.ftruncate(file, 0)
    os.pwrite(file, who.encode(), 0)
