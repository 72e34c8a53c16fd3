"""Runs petastorm 0.12.1, written for pyarrow below 16 and numpy below 2, on the versions used here.

``load_petastorm()`` comes before any import of petastorm, in every process that uses it. What petastorm
misses is put into petastorm's own modules; numpy and pyarrow stay as they are for everyone else. petastorm
unpickles the schema in ``_common_metadata``: read only data that the pipeline wrote. Of its pools, use
``thread`` or ``dummy``: the process pool does not work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from types import ModuleType
from typing import Any
from urllib.parse import ParseResult, unquote

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem as FsspecLocalFileSystem


@cache
def load_petastorm() -> ModuleType:
    """Import petastorm with everything it misses in place, and return it."""
    with _names_for_import():
        petastorm = import_module("petastorm")
        modules = {name: import_module(f"petastorm.{name}") for name in _MODULES}
    for name, replacements in _MODULES.items():
        for attribute, value in replacements.items():
            setattr(modules[name], attribute, value)
    _decode_paths(modules["fs_utils"], modules["etl.dataset_metadata"])
    _end_only_when_done(modules["workers_pool.thread_pool"])
    # The loader logs what it raises: for vectors of unequal lengths, one number for each row.
    modules["pytorch"].logger.disabled = True
    return petastorm


class LocalFileSystem(FsspecLocalFileSystem):
    """``pyarrow.filesystem.LocalFileSystem``, which petastorm uses for ``file://``; gone since pyarrow 16."""

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        """Open natively for reading: a Python file that Arrow's threads hold can abort the exit of Python."""
        if mode == "rb":
            return pa.OSFile(self._strip_protocol(path), "rb")
        return super().open(path, mode, **options)


@dataclass
class ParquetDatasetPiece:
    """``pyarrow.parquet.ParquetDatasetPiece``: one file, or one row group of it; gone since pyarrow 15."""

    path: str
    open_file_func: Callable[[str], Any]
    row_group: int | None = None
    partition_keys: Sequence[tuple[str, int]] = ()

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.open_file_func(self.path))
        except pa.ArrowInvalid as error:
            raise OSError(f"{self.path}: {error}") from error

    @cached_property
    def _metadata(self) -> pq.FileMetaData:
        with self._open() as file:
            return file.metadata

    def get_metadata(self) -> pq.FileMetaData:
        return self._metadata

    def read(self, columns: Collection[str], partitions: Sequence[PartitionLevel]) -> pa.Table:
        """Read the named columns; the partition columns are added whether named or not, as pyarrow did."""
        with self._open() as file:
            names = [name for name in file.schema_arrow.names if name in columns]
            groups = range(file.num_row_groups) if self.row_group is None else [self.row_group]
            # The pool has threads of its own; Arrow's would hold the Python files of other filesystems.
            table = file.read_row_groups(list(groups), columns=names, use_threads=False)
        for level, (name, index) in zip(partitions, self.partition_keys, strict=True):
            table = table.append_column(name, pa.repeat(level.dictionary[index], len(table)))
        return table


@dataclass
class PartitionLevel:
    """One level of Hive folders, such as ``year=2024``: its name and the values that occur, in order."""

    name: str
    keys: list[str]

    @property
    def dictionary(self) -> pa.Array:
        values = pa.array(self.keys)
        return values.cast(pa.int64()) if all(key.isdecimal() for key in self.keys) else values


class Partitions(list[PartitionLevel]):
    """The levels of Hive folders of a dataset, outermost first."""

    @property
    def partition_names(self) -> set[str]:
        return {level.name for level in self}


class ParquetDataset:
    """The part of ``pyarrow.parquet.ParquetDataset``, as it was before pyarrow 15, that petastorm uses.

    Takes a file, a list of files, or a folder with Hive partitions and ``_metadata`` or ``_common_metadata``.
    """

    def __init__(
        self,
        path_or_paths: str | list[str],
        filesystem: fsspec.AbstractFileSystem,
        filters: object = None,
        validate_schema: bool = False,
        metadata_nthreads: int = 1,
    ) -> None:
        if filters is not None:
            raise ValueError(
                "filters are not supported: give the reader a predicate, or list the files to read"
            )
        self.fs = filesystem
        self.paths = path_or_paths
        self.partitions = Partitions()
        self.metadata_path: str | None = None
        self.metadata: pq.FileMetaData | None = None
        self.common_metadata: pq.FileMetaData | None = None
        if isinstance(path_or_paths, str) and filesystem.isdir(path_or_paths):
            self.pieces = self._list_folder(path_or_paths)
        else:
            files = [path_or_paths] if isinstance(path_or_paths, str) else path_or_paths
            self.pieces = [ParquetDatasetPiece(file, filesystem.open) for file in files]

    def _list_folder(self, folder: str) -> list[ParquetDatasetPiece]:
        root = self.fs._strip_protocol(folder).rstrip("/")
        files = {path: path[len(root) + 1 :].split("/") for path in sorted(self.fs.find(root))}
        for path, parts in files.items():
            if parts == ["_metadata"]:
                self.metadata_path, self.metadata = path, self._read_metadata(path)
            elif parts == ["_common_metadata"]:
                self.common_metadata = self._read_metadata(path)
        keys = {path: _hive_keys(parts) for path, parts in files.items() if not _is_hidden(parts)}
        for level in zip(*keys.values(), strict=True):
            self.partitions.append(PartitionLevel(level[0][0], sorted({value for _, value in level})))
        return [
            ParquetDatasetPiece(
                path,
                self.fs.open,
                partition_keys=[
                    (name, level.keys.index(value))
                    for level, (name, value) in zip(self.partitions, pairs, strict=True)
                ],
            )
            for path, pairs in keys.items()
        ]

    def _read_metadata(self, path: str) -> pq.FileMetaData:
        with self.fs.open(path) as file:
            return pq.read_metadata(file)


def _is_hidden(parts: list[str]) -> bool:
    return any(part.startswith(("_", ".")) for part in parts)


def _hive_keys(parts: list[str]) -> list[tuple[str, str]]:
    """Read the partition values from a path's folders.

    >>> _hive_keys(["kind=a%2Fb", "part-0.parquet"])
    [('kind', 'a/b')]
    """
    folders = (part.split("=", 1) for part in parts[:-1] if "=" in part)
    return [(name, unquote(value)) for name, value in folders]


class _View(ModuleType):
    """A module with a few names more, for the one module that looks them up there."""

    def __init__(self, module: ModuleType, **names: object) -> None:
        super().__init__(module.__name__)
        self.__dict__.update(names, _module=module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_module"], name)


class HadoopFileSystem:
    """``pyarrow.hdfs.HadoopFileSystem``, the base of petastorm's client that fails over; gone since 16."""


def connect_to_hdfs(host: str, port: int, user: str | None = None) -> fsspec.AbstractFileSystem:
    """``pyarrow.hdfs.connect``, which petastorm calls for ``hdfs://``; gone since pyarrow 16."""
    return fsspec.filesystem("hdfs", host=host, port=port, user=user)


_HDFS = ModuleType("pyarrow.hdfs")
_HDFS.__dict__.update(HadoopFileSystem=HadoopFileSystem, connect=connect_to_hdfs)
_FILESYSTEM = ModuleType("pyarrow.filesystem")
_FILESYSTEM.__dict__.update(LocalFileSystem=LocalFileSystem)

_NUMPY = _View(np, unicode_=np.str_, string_=np.bytes_)  # aliases that numpy 2 removed
_PARQUET = _View(pq, ParquetDataset=ParquetDataset, ParquetDatasetPiece=ParquetDatasetPiece)
_PYARROW = _View(pa, localfs=LocalFileSystem(), hdfs=_HDFS)

#: The modules of petastorm that are used, and what is replaced in them.
_MODULES: dict[str, dict[str, object]] = {
    "unischema": {"np": _NUMPY},
    "arrow_reader_worker": {"np": _NUMPY, "pq": _PARQUET},
    "py_dict_reader_worker": {"pq": _PARQUET},
    "reader": {"pq": _PARQUET},
    "etl.dataset_metadata": {"pq": _PARQUET},
    "fs_utils": {"pyarrow": _PYARROW},
    "hdfs.namenode": {"pyarrow": _PYARROW},
    "workers_pool.thread_pool": {},
    "pytorch": {},
}


@contextmanager
def _names_for_import() -> Iterator[None]:
    """Lend pyarrow the names that petastorm's import statements ask for."""
    lent = {module.__name__: module for module in (_FILESYSTEM, _HDFS)}
    sys.modules.update(lent)
    pa.LocalFileSystem = LocalFileSystem
    try:
        yield
    finally:
        del pa.LocalFileSystem
        for name in lent:
            del sys.modules[name]


def _decode_paths(*modules: Any) -> None:
    """Decode the paths of URLs: petastorm takes them as they stand, and Spark percent-encodes them."""
    original = modules[0].get_dataset_path

    def get_dataset_path(url: ParseResult) -> str:
        return unquote(original(url))

    for module in modules:
        module.get_dataset_path = get_dataset_path


def _end_only_when_done(thread_pool: ModuleType) -> None:
    """End a read only when nothing is left of it.

    ``ThreadPool.get_results`` compares its counters first and asks whether all work was handed out second.
    Work handed out in between is lost without a word, in the worst case all of it. Once everything was handed
    out the counters are final, so one more look settles it.
    """
    original = thread_pool.ThreadPool.get_results

    def get_results(self: Any) -> Any:
        while True:
            try:
                return original(self)
            except thread_pool.EmptyResultError:
                done = (
                    self._results_queue.empty() and self._ventilated_items == self._ventilated_items_processed
                )
                if done or self._stop_event.is_set():
                    raise

    thread_pool.ThreadPool.get_results = get_results
