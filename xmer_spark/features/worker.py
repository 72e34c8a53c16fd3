"""What one task of an extraction does with its items: decode ahead, extract in batches, tell of failures.

A worker process builds each extractor once and keeps it. Contents are decoded by threads ahead of the model,
which sees them in batches; equal contents are extracted once. The extractors of a modality share the read and
the decoding.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.errors import XmerError
from xmer_spark.features import REGISTRY
from xmer_spark.features.base import Extractor
from xmer_spark.method import loaded_once

log = logging.getLogger(__name__)

#: The columns of what is extracted: those of the table features, and why there is no vector.
_RESULT = pa.schema(
    [
        ("item_id", pa.string()),
        ("item_key", pa.int64()),
        ("extractor", pa.string()),
        ("content_hash", pa.string()),
        ("modality", pa.string()),
        ("vector", pa.list_(pa.float32())),
        ("error", pa.string()),
    ]
)
#: Identities of the extractors that an item lacks, comma separated, as ``missing`` adds them.
LACKING = "lacking"
#: Blocks of items that are decoded while the model works on the one before them.
AHEAD = 2
PROGRESS_SECONDS = 30.0
#: Identities of the extractors that have run in this process, and loaded what they need.
_HAVE_RUN: set[str] = set()


@dataclass(frozen=True)
class Worker:
    """Arrow batches of items -> Arrow batches of vectors or errors, on one device."""

    #: The files of each saved extractor, by its identity.
    saved: Mapping[str, Mapping[str, bytes]]
    device: str
    batch_size: int
    decode_threads: int

    def run(self, batches: Iterable[pa.RecordBatch], part: str) -> Iterator[pa.RecordBatch]:
        """Extract from the items of one part, whose name its progress is told under."""
        extractors = dict(self._extractors())
        rows = self.batch_size * max(e.lookahead for e in extractors.values())
        progress = _Progress(part)

        for block, prepared in self._prepared(extractors, _blocks(batches, rows)):
            for identity, extractor in extractors.items():
                result = _extract_block(identity, extractor, block, [p.get(identity) for p in prepared])
                progress.add(result)
                yield result
            progress.items += block.rows.num_rows
            progress.report()
        progress.report(last=True)

    def _prepared(
        self, extractors: dict[str, Extractor], blocks: Iterator[_Block]
    ) -> Iterator[tuple[_Block, list[dict[str, Any]]]]:
        """Blocks with their prepared contents, decoded by threads once every extractor has run here.

        Libraries are loaded at their first use, and some add to the environment of the process meanwhile. A
        decoder that reads the environment in another thread at that moment can end the process.
        """

        def prepare(contents: dict[str, Any]) -> dict[str, Any]:
            return _prepare(extractors, contents)

        if not _HAVE_RUN.issuperset(extractors):
            for block in islice(blocks, 1):
                prepared = [prepare(contents) for contents in block.contents()]
                yield block, prepared
                _HAVE_RUN.update(*prepared)
        with ThreadPoolExecutor(self.decode_threads) as pool:
            yield from _ahead(blocks, prepare, pool)

    def _extractors(self) -> Iterator[tuple[str, Extractor]]:
        for identity, files in self.saved.items():
            extractor: Extractor = loaded_once(files, REGISTRY.load)
            extractor.device, extractor.batch_size = self.device, self.batch_size
            yield identity, extractor


def log_like_the_driver(level: int) -> None:
    """Let a worker process, where nobody configures logging, write what the driver would show."""
    if not logging.getLogger().handlers and not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        log.addHandler(handler)
    log.setLevel(level)


@dataclass(frozen=True)
class _Block:
    """Some items, and which of them bring the contents: the first item of each content.

    Items of one content that lack different features count as different contents.
    """

    rows: pa.RecordBatch
    first: np.ndarray
    content_of: np.ndarray

    @classmethod
    def of(cls, rows: pa.RecordBatch) -> _Block:
        keys = rows.column("content_hash")
        if LACKING in rows.schema.names:
            keys = pc.binary_join_element_wise(keys, rows.column(LACKING), " ")
        _, first, content_of = np.unique(
            keys.to_numpy(zero_copy_only=False), return_index=True, return_inverse=True
        )
        return cls(rows, first, content_of)

    def contents(self) -> list[dict[str, Any]]:
        names = [n for n in ("image", "text", "vector", LACKING) if n in self.rows.schema.names]
        chosen: list[dict[str, Any]] = self.rows.select(names).take(pa.array(self.first)).to_pylist()
        return chosen


def _blocks(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[_Block]:
    """Arrow batches of any size -> blocks of ``rows`` items, the last one smaller."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        while sum(b.num_rows for b in held) >= rows:
            table = pa.Table.from_batches(held)
            yield _Block.of(_one(table.slice(0, rows)))
            held = table.slice(rows).to_batches()
    if sum(b.num_rows for b in held):
        yield _Block.of(_one(pa.Table.from_batches(held)))


def _one(table: pa.Table) -> pa.RecordBatch:
    return pa.concat_batches(table.to_batches())


def _ahead(
    blocks: Iterable[_Block], prepare: Callable[[dict[str, Any]], dict[str, Any]], pool: ThreadPoolExecutor
) -> Iterator[tuple[_Block, list[dict[str, Any]]]]:
    """Blocks with their prepared contents; while one is used, at most AHEAD more are being prepared."""
    waiting: deque[tuple[_Block, list[Future[dict[str, Any]]]]] = deque()
    for block in blocks:
        waiting.append((block, [pool.submit(prepare, content) for content in block.contents()]))
        if len(waiting) > AHEAD:
            ready, futures = waiting.popleft()
            yield ready, [future.result() for future in futures]
    for ready, futures in waiting:
        yield ready, [future.result() for future in futures]


def _prepare(extractors: dict[str, Extractor], contents: dict[str, Any]) -> dict[str, Any]:
    """One item's content, prepared for each extractor that is to run on it: a value or an error."""
    read: dict[str, Any] = {}
    prepared: dict[str, Any] = {}
    for identity, extractor in extractors.items():
        if LACKING in contents and identity not in contents[LACKING].split(","):
            continue
        try:
            kind = extractor.content
            if kind not in read:
                read[kind] = extractor.read(_present(contents[kind], kind))
            prepared[identity] = extractor.prepare(read[kind])
        except (XmerError, MemoryError):
            raise
        except Exception as error:  # whatever a decoder raises is the item's fault, and told in its row
            prepared[identity] = _Failure.of(error)
    return prepared


def _present(content: Any, kind: str) -> Any:
    if content is None:
        raise ValueError(f"the item has no {kind}")
    return content


@dataclass(frozen=True)
class _Failure:
    message: str

    @classmethod
    def of(cls, error: Exception) -> _Failure:
        return cls(f"{type(error).__name__}: {error}"[:500])


def _extract_block(identity: str, extractor: Extractor, block: _Block, prepared: list[Any]) -> pa.RecordBatch:
    """The rows of one extractor for a block; items that it is not to run on (None) have none."""
    results = _vectors(extractor, prepared)
    wanted = np.array([p is not None for p in prepared])[block.content_of]
    contents = block.content_of[wanted]
    rows = block.rows.filter(pa.array(wanted))
    return pa.RecordBatch.from_arrays(
        [
            rows.column("item_id"),
            rows.column("item_key"),
            pa.repeat(pa.scalar(identity, pa.string()), rows.num_rows),
            rows.column("content_hash"),
            rows.column("modality"),
            _list_array([results[i] for i in contents]),
            pa.array(
                [r.message if isinstance(r := results[i], _Failure) else None for i in contents], pa.string()
            ),
        ],
        schema=_RESULT,
    )


def _vectors(extractor: Extractor, prepared: list[Any]) -> list[Any]:
    """For each prepared content its vector, its failure, or None where it was not wanted."""
    results = list(prepared)
    good = [i for i, p in enumerate(prepared) if p is not None and not isinstance(p, _Failure)]
    for i, vector in zip(good, _extract_all(extractor, [prepared[i] for i in good]), strict=True):
        finite = isinstance(vector, _Failure) or (len(vector) > 0 and np.isfinite(vector).all())
        results[i] = vector if finite else _Failure("the vector is empty or not finite")
    return results


def _extract_all(extractor: Extractor, prepared: list[Any]) -> list[Any]:
    """A block at once; where that fails, one by one, so that a bad item takes no other with it.

    Where not one of several items can be extracted the extractor is at fault, and its error is raised.
    """
    if not prepared:
        return []
    try:
        return list(extractor.extract_prepared(prepared))
    except (XmerError, MemoryError):
        raise
    except Exception as error:
        results = [_extract_one(extractor, value) for value in prepared]
        if len(results) > 1 and all(isinstance(r, _Failure) for r in results):
            raise XmerError(f"features.{extractor.name}: cannot extract anything: {error}") from error
        return results


def _extract_one(extractor: Extractor, value: Any) -> Any:
    try:
        return extractor.extract_prepared([value])[0]
    except Exception as error:
        return _Failure.of(error)


def _list_array(vectors: list[Any]) -> pa.ListArray:
    """Vectors as an Arrow column; failures as null."""
    absent = np.array([isinstance(v, _Failure) for v in vectors], dtype=bool)
    sizes = [0 if isinstance(v, _Failure) else len(v) for v in vectors]
    kept = [v for v in vectors if not isinstance(v, _Failure)]
    values = np.concatenate(kept) if kept else np.empty(0)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(values.astype(np.float32, copy=False)), mask=pa.array(absent)
    )


class _Progress:
    """Rows, errors and speed of one partition, logged now and then and at its end."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.items = self.rows = self.errors = 0
        self.started = self.reported = time.monotonic()

    def add(self, result: pa.RecordBatch) -> None:
        self.rows += result.num_rows
        self.errors += result.num_rows - result.column("error").null_count

    def report(self, last: bool = False) -> None:
        now = time.monotonic()
        if not self.rows or (not last and now - self.reported < PROGRESS_SECONDS):
            return
        self.reported = now
        log.info(
            "extract, partition %s%s: %d items, %d features, %d errors, %.1f items/s",
            self.part,
            " done" if last else "",
            self.items,
            self.rows,
            self.errors,
            self.items / max(now - self.started, 1e-9),
        )
