"""Reads Parquet files through petastorm, which nothing else uses: every row once, or an error.

The files are those of one version of a Delta table: never a folder, which also holds those of other versions.
They are named as Delta's ``DataFrame.inputFiles()`` does: local paths, or ``scheme:`` before a path that is
not percent-encoded (plain Parquet's are), on any filesystem that fsspec knows (``hdfs``, ``s3a``, ...).
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Iterator, Mapping, Sequence, Sized
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from xmer_spark.errors import XmerError, listed

if TYPE_CHECKING:
    import torch
    from fsspec import AbstractFileSystem

    from xmer_spark.store.petastorm_compat import ParquetDataset, ParquetDatasetPiece

    Batch = dict[str, torch.Tensor]

#: Rows that are shuffled among each other; smaller data is shuffled perfectly.
SHUFFLE_ROWS = 32_768


def read_vectors(
    files: Sequence[str], rows: int, keys: np.ndarray | None = None, batch_size: int = 4096
) -> tuple[np.ndarray, np.ndarray]:
    """Read the vectors of the features table for one extractor, ordered by ``item_key``.

    Memory is bounded by the result and a few row groups.

    Args:
        files: all live files of the extractor.
        rows: how many rows the files hold together.
        keys: the items wanted, in any order; all where it is None.
        batch_size: rows read at a time.

    Returns:
        The keys (n, int64, ascending) and their vectors (n x d, float32); without any, (0,) and (0, 0).

    Raises:
        XmerError: as of ``batches``; also where a key is repeated, or a wanted one is not there.
    """
    wanted = _read_keys(files, rows) if keys is None else np.unique(np.asarray(keys, dtype=np.int64))
    vectors = np.empty((0, 0), dtype=np.float32)
    if not len(wanted):
        return wanted, vectors
    found = np.zeros(len(wanted), dtype=bool)
    for batch in batches(files, rows, ["item_key", "vector"], batch_size):
        batch_keys, batch_vectors = batch["item_key"].numpy(), batch["vector"].numpy()
        if not vectors.size:
            vectors = np.empty((len(wanted), batch_vectors.shape[1]), dtype=np.float32)
        places = np.searchsorted(wanted, batch_keys).clip(max=len(wanted) - 1)
        chosen = wanted[places] == batch_keys
        places = places[chosen]
        if found[places].any() or len(np.unique(places)) < len(places):
            raise XmerError(f"an item_key occurs more than once in {listed(files)}")
        vectors[places] = batch_vectors[chosen]
        found[places] = True
    if not found.all():
        raise XmerError(
            f"{np.count_nonzero(~found)} of {len(wanted)} items have no vector, such as item_key "
            f"{wanted[~found][0]}; extract their features first. Files: {listed(files)}"
        )
    return wanted, vectors


def _read_keys(files: Sequence[str], rows: int) -> np.ndarray:
    """Read all keys, ascending, so that each vector's place is known before the vectors are read."""
    keys = np.empty(rows, dtype=np.int64)
    start = 0
    for batch in batches(files, rows, ["item_key"], batch_size=65_536):
        stop = start + len(batch["item_key"])
        keys[start:stop] = batch["item_key"].numpy()
        start = stop
    keys.sort()
    return keys


def batches(
    files: Sequence[str],
    rows: int,
    columns: Sequence[str],
    batch_size: int = 4096,
    shuffle_seed: int | None = None,
    epochs: int = 1,
    cur_shard: int = 0,
    shard_count: int = 1,
) -> Iterator[Batch]:
    """Yield the rows of Parquet files as torch tensors by column, once in each epoch.

    Rows come in the order of the sorted file names, or shuffled by ``shuffle_seed``, differently in each
    epoch; the order is the same in every run. A shard is whole row groups, and each row is in exactly one
    shard. NULL among floats reads as NaN.

    Args:
        files: all live files of the table, or of the partition read.
        rows: how many rows the files hold together, all shards counted.
        columns: numbers, or arrays of numbers that all have one length.
        batch_size: rows of a batch; the last one of an epoch may have fewer.

    Raises:
        XmerError: the rows are not as many as expected, a file cannot be read, there are fewer row groups
            than shards, a column is not there, or it holds arrays of unequal lengths, or NULL for an integer
            or an array.
    """
    if not 0 <= cur_shard < shard_count:
        raise ValueError(f"cur_shard must be from 0 to {shard_count - 1}, not {cur_shard}")
    if not files:
        _check_total(rows, [])
        return
    random = None if shuffle_seed is None else np.random.default_rng(shuffle_seed)
    for _ in range(epochs):
        group_seed = None if random is None else int(random.integers(2**31))
        epoch = _read_epoch(files, rows, columns, batch_size, group_seed, cur_shard, shard_count)
        with closing(epoch):
            yield from epoch if random is None else _shuffle(epoch, batch_size, random)


def _read_epoch(
    files: Sequence[str],
    rows: int,
    columns: Sequence[str],
    batch_size: int,
    group_seed: int | None,
    cur_shard: int,
    shard_count: int,
) -> Generator[Batch, None, None]:
    """Yield the shard's rows once, its row groups in file order or shuffled by their seed.

    Each epoch has its own reader: rewinding one can start its thread twice, which repeats rows.
    """
    from xmer_spark.store.petastorm_compat import load_petastorm

    load_petastorm()
    from petastorm.pytorch import BatchedDataLoader

    with _open_reader(files, columns, group_seed, cur_shard, shard_count) as reader:
        groups = [(piece.path, _group_rows(piece)) for piece in reader.dataset.pieces]
        _check_total(rows, [(path, sum(sizes)) for path, sizes in groups])
        # petastorm gives a shard the row groups whose number, counted over all files, leaves this remainder.
        expected = sum([size for _, sizes in groups for size in sizes][cur_shard::shard_count])
        read = 0
        try:
            for batch in BatchedDataLoader(reader, batch_size=batch_size, transform_fn=_to_tensor):
                _check_integers(batch, reader.schema.fields)
                read += len(batch[columns[0]])
                yield batch
        except (AttributeError, RuntimeError, TypeError):
            # What petastorm and torch raise when they meet NULL or arrays of unequal lengths.
            _explain(reader.dataset, columns)
            raise
        if read != expected:
            raise XmerError(f"petastorm gave {read} rows of {expected}; read again. Files: {listed(files)}")


@contextmanager
def _open_reader(
    files: Sequence[str], columns: Sequence[str], group_seed: int | None, cur_shard: int, shard_count: int
) -> Iterator[Any]:
    """Open petastorm's reader over the files; one worker, because the order varies with more."""
    from petastorm import NoDataAvailableError, make_batch_reader

    urls = sorted(_as_url(file) for file in files)
    try:
        filesystem = _filesystem(urls[0])
        _check_columns(filesystem, urls, columns)
        with make_batch_reader(
            urls,
            schema_fields=[re.escape(column) for column in columns],
            workers_count=1,
            shuffle_row_groups=group_seed is not None,
            seed=group_seed,
            cur_shard=cur_shard,
            shard_count=shard_count,
            filesystem=filesystem,
        ) as reader:
            yield reader
    except NoDataAvailableError as error:
        raise XmerError(
            f"the files have fewer row groups than the {shard_count} shards asked for: use fewer shards, or "
            f"write the table in more files. Files: {listed(files)}"
        ) from error
    except OSError as error:
        raise XmerError(f"cannot read the table's files: {error}") from error


def _check_columns(filesystem: AbstractFileSystem, urls: list[str], columns: Sequence[str]) -> None:
    """Refuse columns that petastorm would leave out without a word, or that torch cannot hold."""
    from petastorm.fs_utils import get_filesystem_and_path_or_paths
    from petastorm.unischema import Unischema

    from xmer_spark.store.petastorm_compat import ParquetDataset

    _, paths = get_filesystem_and_path_or_paths(urls, filesystem=filesystem)
    fields = Unischema.from_arrow_schema(ParquetDataset(paths, filesystem)).fields
    for column in columns:
        if column not in fields or not issubclass(fields[column].numpy_dtype, (np.number, np.bool_)):
            raise XmerError(f"no column {column!r} of numbers, or of arrays of numbers, in {paths[0]}")


def _shuffle(batches: Iterator[Batch], batch_size: int, random: np.random.Generator) -> Iterator[Batch]:
    """Shuffle rows through a pool: each batch that comes in takes the places of random rows, which go out.

    The pool is numpy's: torch starts threads for each small gather, which takes longer than the gather.
    """
    pool = _concatenate(list(islice(batches, math.ceil(SHUFFLE_ROWS / batch_size))))
    if not pool:
        return
    for batch in batches:
        if _length(batch) < batch_size:  # the last one
            pool = _concatenate([_to_tensors(pool), batch])
            break
        places = random.choice(_length(pool), batch_size, replace=False)
        yield _to_tensors({name: values[places] for name, values in pool.items()})
        for name, values in batch.items():
            pool[name][places] = values.numpy()
    order = random.permutation(_length(pool))
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        yield _to_tensors({name: values[places] for name, values in pool.items()})


def _length(columns: Mapping[str, Sized]) -> int:
    return len(next(iter(columns.values())))


def _concatenate(batches: list[Batch]) -> dict[str, np.ndarray]:
    names = batches[0] if batches else ()
    return {name: np.concatenate([batch[name].numpy() for batch in batches]) for name in names}


def _to_tensors(columns: Mapping[str, np.ndarray]) -> Batch:
    return {name: _to_tensor(values) for name, values in columns.items()}


def _to_tensor(column: np.ndarray) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.require(column, requirements=["C", "W"]))


def _check_integers(batch: Batch, fields: Mapping[str, Any]) -> None:
    """Refuse integers that came as floats, which is how NULL shows: large keys would be rounded."""
    for name, values in batch.items():
        if issubclass(fields[name].numpy_dtype, np.integer) and values.is_floating_point():
            raise TypeError(f"column {name!r} holds NULL")


def _explain(dataset: ParquetDataset, columns: Sequence[str]) -> None:
    """Say which file holds NULL or vectors of unequal lengths, where one does."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first_file: dict[str, dict[int, str]] = {name: {} for name in columns}
    for piece in dataset.pieces:
        table = piece.read(columns, dataset.partitions)
        for name in columns:
            values = table[name]
            if values.null_count:
                raise XmerError(f"column {name!r} holds NULL in {values.null_count} rows of {piece.path}")
            if pa.types.is_list(values.type):
                for length in pc.unique(pc.list_value_length(values)).to_pylist():
                    first_file[name].setdefault(length, piece.path)
    for name, files in first_file.items():
        if len(files) > 1:
            examples = ", ".join(f"{length} in {path}" for length, path in list(files.items())[:3])
            raise XmerError(f"the vectors of column {name!r} differ in length: {examples}")


def _check_total(rows: int, held: Sequence[tuple[str, int]]) -> None:
    """Refuse files that do not hold the expected number of rows together."""
    total = sum(count for _, count in held)
    if total != rows:
        files = listed([f"{path} ({count} rows)" for path, count in held])
        raise XmerError(
            f"expected {rows} rows, but the {len(held)} files hold {total}; take the list of files and the "
            f"number of rows from the same version of the table. Files: {files}"
        )


def _group_rows(piece: ParquetDatasetPiece) -> list[int]:
    metadata = piece.get_metadata()
    return [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]


def _as_url(file: str) -> str:
    """Write a file's name as a percent-encoded URL, which is what petastorm gets.

    >>> _as_url("file:/data/extractor=a b/part-0.parquet"), _as_url("s3a://bucket/a%2Fb.parquet")
    ('file:///data/extractor%3Da%20b/part-0.parquet', 's3a://bucket/a%252Fb.parquet')
    """
    address = re.match(r"([A-Za-z][\w+.-]+:)(//[^/]*)?(?=/)", file)
    if address is None:
        return Path(file).absolute().as_uri()
    return f"{address[1]}{address[2] or '//'}{quote(file[address.end() :])}"


def _filesystem(url: str) -> AbstractFileSystem:
    import fsspec

    from xmer_spark.store.petastorm_compat import LocalFileSystem

    return LocalFileSystem() if url.startswith("file:") else fsspec.core.url_to_fs(url)[0]
