"""Files in a source's folder: finding them, and loading them without leaving it."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from xmer_spark.sources.records import Refusal

#: Failures that are the input's own. Any other, such as an I/O error, fails the task, and Spark tries again.
_UNUSABLE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG}


def walk(root: Path) -> Iterator[str]:
    """Paths of all files below ``root``, relative to it and in sorted order; hidden ones are left out.

    A link to a folder is yielded as if it were a file, and refused when it is loaded: following it could
    lead outside or in a circle.
    """
    for folder, folders, files in os.walk(root, onerror=_fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*files, *links]):
            if not name.startswith("."):
                yield os.path.relpath(os.path.join(folder, name), root)


def _fail(error: OSError) -> None:
    raise error


def load(root: Path, uri: str | None, max_bytes: int) -> bytes:
    """The content of a regular file that lies, all links resolved, inside ``root``."""
    if not uri:
        raise Refusal("missing_file", "no file is named")
    try:
        path = found(root, uri)
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise Refusal("missing_file", f"{uri!r} is {kind}")
        if status.st_size > max_bytes:
            raise Refusal("file_too_large", _too_large(status.st_size, max_bytes), status.st_size)
        return path.read_bytes()
    except OSError as error:
        if error.errno not in _UNUSABLE:
            raise
        raise Refusal("missing_file", f"{uri!r}: {error.strerror}") from None


def found(root: Path, uri: str) -> Path:
    """Where a file lies that is named relative to ``root``, whichever of Unicode's forms its name has there.

    A list may hold the letter e with its accent as one sign where the file system holds two.
    """
    path = _inside(root, uri)
    forms = (unicodedata.normalize("NFC", uri), unicodedata.normalize("NFD", uri))
    if not uri.isascii() and not path.exists():
        return next((other for other in (_inside(root, form) for form in forms) if other.exists()), path)
    return path


def status_line(root: Path, uri: str) -> str:
    """A line that changes when a file does: its name, size and time of modification."""
    try:
        status = found(root, uri).stat()
    except (OSError, Refusal):
        return f"{uri!a} absent\n"
    return f"{uri!a} {status.st_size} {status.st_mtime_ns}\n"


def limited(content: bytes, max_bytes: int) -> bytes:
    """``content``, unless it is larger than a file may be."""
    if len(content) > max_bytes:
        raise Refusal("file_too_large", _too_large(len(content), max_bytes), len(content))
    return content


def _too_large(size: int, max_bytes: int) -> str:
    return f"{size} bytes; ingest.max_file_bytes allows {max_bytes}"


def _inside(root: Path, uri: str) -> Path:
    try:
        home, path = root.resolve(), (root / uri).resolve()
    except (ValueError, RuntimeError) as error:  # a zero byte, links in a circle
        raise Refusal("missing_file", f"{uri!r} cannot be a path: {error}") from None
    if os.path.isabs(uri) or not path.is_relative_to(home):
        raise Refusal("outside_root", f"{uri!r} leads outside the source's folder")
    return path
