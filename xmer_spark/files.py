"""Files by path or by URL: where they lie, how they are listed and opened, and whether they have changed.

A path of the local disk is a ``pathlib.Path``. Any other file system that fsspec knows (``s3://``, ``gs://``,
``abfs://``, ...) is asked through a ``Remote``, which has what is used of a ``Path``; it travels to a task as
its address alone, and the task opens the connection. Credentials come from the environment or from fsspec's
own configuration.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import fsspec

from xmer_spark.errors import ConfigError, SetupError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_LOCAL = re.compile(r"(file|local)://", re.IGNORECASE)
#: A name with its password, or a query, which signs an address or holds a token.
_SECRET = re.compile(r"://[^/]*:[^/]*@|^https?://.*\?", re.IGNORECASE)
#: What to install for a file system whose library is not there; of others fsspec itself says it.
_EXTRAS = {"s3": "xmer-spark[s3]", "s3a": "xmer-spark[s3]"}
#: What file systems call that which changes with a file, the surest first.
_VERSIONS = ("etag", "lastmodified", "last_modified", "last-modified", "mtime", "updated", "created")
#: Bytes that one request brings of a file that is read from its beginning to its end.
_BLOCK = 4 << 20


def place(path: str, root: Path) -> Place:
    """Where a path or a URL of the configuration leads; relative paths are relative to ``root``.

    Nothing is asked of a file system yet. A ConfigError or a SetupError says why a URL cannot be used.

    >>> place("photos/a.png", Path("/data")), place("file:///photos/a.png", Path("/data"))
    (PosixPath('/data/photos/a.png'), PosixPath('/photos/a.png'))
    >>> print(place("memory://bucket/photos", Path("/data")) / "../a.png")
    memory://bucket/a.png
    """
    if not _URL.match(path):
        return root / path
    if _SECRET.search(path):
        shown = f"{path.partition('://')[0]}://..."
        raise ConfigError(
            f"{shown}: a URL with a password or a query in it; credentials do not belong in a configuration: "
            f"set them in the environment, or in fsspec's own configuration"
        )
    fs, inside = _file_system(path)
    if _LOCAL.match(path):
        return Path(inside)
    fs.invalidate_cache()  # a process may have listed it when it was another
    return Remote(path, inside.rstrip("/"))


def _file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, of which fsspec keeps one a process, and what it calls the path."""
    try:
        fs, inside = fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = _EXTRAS.get(url.partition("://")[0].lower())
        advice = f"install {extra}" if extra else str(error)
        raise SetupError(f"{url}: the library of this file system is not there: {advice}") from None
    except ValueError as error:
        raise ConfigError(f"{url}: no file system that fsspec knows: {error}") from None
    return fs, inside


@dataclass(frozen=True)
class Remote:
    """A file or folder of a file system that fsspec knows, with what is used of a ``Path``.

    ``url`` is the one of the configuration, which says how the file system is reached. ``path`` is the place
    in it: names that come out of data are put together here, and never read as a URL.
    """

    url: str
    path: str

    def __str__(self) -> str:
        scheme = self.url.partition("://")[0]
        return self.path if _URL.match(self.path) else f"{scheme}://{self.path.lstrip('/')}"

    def __truediv__(self, name: str) -> Remote:
        parts = self.path.split("/")
        for part in name.split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        return Remote(self.url, "/".join(parts))

    @property
    def name(self) -> str:
        return posixpath.basename(self.path)

    @property
    def parent(self) -> Remote:
        return Remote(self.url, posixpath.dirname(self.path))

    def exists(self) -> bool:
        return self.info() is not None

    def is_file(self) -> bool:
        return (self.info() or {}).get("type") == "file"

    def is_dir(self) -> bool:
        return (self.info() or {}).get("type") == "directory"

    def open(self, mode: str = "rb") -> io.BufferedReader:
        return io.BufferedReader(self._asked(lambda fs: fs.open(self.path, mode, block_size=_BLOCK)))

    def read_bytes(self) -> bytes:
        return bytes(self._asked(lambda fs: fs.cat_file(self.path)))

    def info(self) -> dict[str, Any] | None:
        """What the file system says of it; None where there is nothing."""
        try:
            return dict(self._asked(lambda fs: fs.info(self.path)))
        except FileNotFoundError:
            return None

    def listed(self) -> dict[str, str]:
        """The version of each file below, by its path relative to the folder, sorted; no hidden ones."""
        found = self._asked(lambda fs: fs.find(self.path, detail=True))
        names = {path[len(self.path) :].lstrip("/"): info for path, info in found.items()}
        # An object store may hold an empty object in a folder's place, whose name ends as a folder's.
        files = [name for name in names if name and not name.endswith("/")]
        seen = [name for name in files if not any(part.startswith(".") for part in name.split("/"))]
        return {name: _version_in_list(names[name]) for name in sorted(seen)}

    def directly(self) -> dict[str, str]:
        """The same of the files directly in the folder, by their names; none where there is no folder."""
        try:
            found = self._asked(lambda fs: fs.ls(self.path, detail=True))
        except FileNotFoundError:
            return {}
        files = [info for info in found if info["type"] == "file"]
        return {posixpath.basename(info["name"]): _version_in_list(info) for info in files}

    def version(self) -> str:
        """A line that changes when the file does."""
        found = _version(self.info() or {})
        return found or hashlib.sha256(self.read_bytes()).hexdigest()

    def fetch(self, targets: Mapping[str, Path]) -> None:
        """Copy files below, by their paths relative to it, to places of the local disk."""
        sources = [(self / name).path for name in targets]
        self._asked(lambda fs: fs.get(sources, [str(target) for target in targets.values()]))

    def _asked(self, question: Callable[[Any], Any]) -> Any:
        """The file system's answer; a SetupError where it gives none."""
        fs = _file_system(self.url)[0]
        try:
            return question(fs)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, MemoryError):
            raise
        except Exception as error:  # each file system's library has errors of its own
            raise SetupError(
                f"{self}: cannot be read: {type(error).__name__}: {error}; see that every machine reaches "
                f"it, and has credentials for it in its environment or in fsspec's configuration"
            ) from error


#: A place of the local disk, or of another file system.
Place = Path | Remote


def _version(info: dict[str, Any]) -> str | None:
    """The size and the version in what a file system says of a file; None where it does not tell versions.

    >>> _version({"size": 3, "ETag": '"9a0364"', "LastModified": "yesterday"})
    '3 "9a0364"'
    """
    known = {name.lower(): value for name, value in info.items()}
    version = next((known[name] for name in _VERSIONS if known.get(name)), None)
    return None if version is None else f"{info.get('size')} {version}"


def _version_in_list(info: dict[str, Any]) -> str:
    """The same, or the size alone where that is all: to fetch each file of a list would cost too much."""
    return _version(info) or str(info.get("size"))


def for_spark(folder: Place) -> str:
    """The folder as Spark's own readers take it: what others call ``s3`` is ``s3a`` to Hadoop.

    >>> for_spark(Remote("s3://bucket/table", "bucket/table"))
    's3a://bucket/table'
    """
    return re.sub(r"^s3:", "s3a:", str(folder)) if isinstance(folder, Remote) else str(folder.resolve())


@contextmanager
def readable(file: Place) -> Iterator[Path | BinaryIO]:
    """For libraries that take a path or an open file: a local path, which they open natively, or the file."""
    if isinstance(file, Path):
        yield file
        return
    with file.open() as opened:
        yield opened


def local_folder(path: str, ends: Collection[str]) -> Path:
    """A folder of the configuration on the local disk; of a remote one a copy of the files with these ends.

    A process copies a folder once, and removes the copy when it ends.
    """
    found = place(path, Path())
    if isinstance(found, Path):
        return found
    with _COPYING:  # several threads may ask for it first
        return _copied(found, frozenset(ends))


_COPYING = Lock()


@cache
def _copied(folder: Remote, ends: frozenset[str]) -> Path:
    # A worker process of Spark's is ended without clean-up, but the folder that it is given goes with it.
    of_spark = os.environ.get("SPARK_LOCAL_DIRS", "").partition(",")[0]
    if of_spark:
        os.makedirs(of_spark, exist_ok=True)
    copy = Path(tempfile.mkdtemp(prefix="xmer-", dir=of_spark or None))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    names = [name for name in folder.listed() if posixpath.splitext(name)[1] in ends]
    folder.fetch({name: copy / name for name in names})
    return copy
