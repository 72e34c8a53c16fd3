"""Files in a source's folder: finding them, and loading them without leaving it."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from xmer_spark.files import Place, Remote
from xmer_spark.sources.records import Refusal

#: Failures that are the input's own. Any other, such as an I/O error, fails the task, and Spark tries again.
_UNUSABLE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG}
#: Bytes of a name in an object store.
_LONGEST_NAME = 1024


def walk(root: Place) -> Iterator[str]:
    """Paths of all files below ``root``, relative to it and in sorted order; hidden ones are left out.

    A link to a folder is yielded as if it were a file, and refused when it is loaded: following it could
    lead outside or in a circle.
    """
    if isinstance(root, Remote):
        yield from root.listed()
        return
    for folder, folders, files in os.walk(root, onerror=_fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*files, *links]):
            if not name.startswith("."):
                yield os.path.relpath(os.path.join(folder, name), root)


def _fail(error: OSError) -> None:
    raise error


def is_utf8(name: str) -> bool:
    """Whether a name can be written down: that of a file may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def load(root: Place, uri: str | None, max_bytes: int) -> bytes:
    """The content of a regular file that lies, all links resolved, inside ``root``."""
    if not uri:
        raise Refusal("missing_file", "no file is named")
    if isinstance(root, Remote):
        return _load_remote(root, uri, max_bytes)
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


def _load_remote(root: Remote, uri: str, max_bytes: int) -> bytes:
    for form in _forms(uri):
        path = _inside_remote(root, form)
        info = path.info()
        if info is not None:
            break
    else:
        raise Refusal("missing_file", f"{uri!r}: there is no such file")
    if info["type"] != "file":
        raise Refusal("missing_file", f"{uri!r} is a folder")
    if info["size"] is not None and info["size"] > max_bytes:
        raise Refusal("file_too_large", _too_large(info["size"], max_bytes), info["size"])
    return path.read_bytes()


def _forms(uri: str) -> list[str]:
    """What a name may be on disk, itself first: Unicode has several forms, Windows parts folders by \\."""
    names = [uri, uri.replace("\\", "/")]
    forms = [unicodedata.normalize(form, name) for name in names for form in ("NFC", "NFD")]
    return list(dict.fromkeys([*names, *forms]))


def found(root: Path, uri: str) -> Path:
    """Where a file lies that is named relative to ``root``, whichever form its name has there.

    A list may hold the letter e with its accent as one sign where the file system holds two, and may have
    been written on Windows.
    """
    path = _inside(root, uri)
    if not (uri.isascii() and "\\" not in uri) and not path.exists():
        others = (_inside(root, form) for form in _forms(uri))
        return next((other for other in others if other.exists()), path)
    return path


def status_lines(root: Place, uris: Iterable[str]) -> Iterator[str]:
    """A line for each file that changes when the file does: its name, size and time of modification."""
    yield from _remote_lines(root, uris) if isinstance(root, Remote) else (_line(root, uri) for uri in uris)


def _line(root: Path, uri: str) -> str:
    try:
        status = found(root, uri).stat()
    except (OSError, Refusal):
        return f"{uri!a} absent\n"
    return f"{uri!a} {status.st_size} {status.st_mtime_ns}\n"


def _remote_lines(root: Remote, uris: Iterable[str]) -> Iterator[str]:
    """The same from a listing of each folder: asking for every file would cost a request each."""
    listed = dict[Remote, dict[str, str]]()
    for uri in uris:
        try:
            paths = [_inside_remote(root, form) for form in _forms(uri)]
        except Refusal:
            yield f"{uri!a} absent\n"
            continue
        folder = paths[0].parent
        if folder not in listed:
            listed[folder] = folder.directly()
        versions = (listed[folder].get(path.name) for path in paths)
        yield f"{uri!a} {next(filter(None, versions), 'absent')}\n"


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


def _inside_remote(root: Remote, uri: str) -> Remote:
    path = root / uri
    if uri.startswith("/") or not path.path.startswith(f"{root.path}/"):
        raise Refusal("outside_root", f"{uri!r} leads outside the source's folder")
    if len(uri.encode()) > _LONGEST_NAME:
        raise Refusal("missing_file", f"{uri[:80]!r}...: longer than a file's name can be")
    return path
