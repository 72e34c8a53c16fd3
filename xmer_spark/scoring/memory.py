"""What a worker remembers of items, so that one that is in many blocks is prepared once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xmer_spark.scoring.evidence import ItemEvidence

#: Bytes that one memory may take.
LIMIT = 32 << 20


class ItemMemory:
    """Item evidence by item key: arrays with a slot for each key, in which a later item displaces an earlier.

    What is remembered counts only for the same vector, by its checksum: an item's content may change while
    the worker lives. Memory is bounded; an item that was displaced is prepared again.
    """

    def __init__(self, prepare: Callable[[np.ndarray], ItemEvidence], limit: int = LIMIT) -> None:
        self.prepare = prepare
        self.limit = limit
        self._kept: ItemEvidence = {}

    def __call__(self, keys: np.ndarray, vectors: np.ndarray) -> ItemEvidence:
        """The evidence of items, given as keys (n) int64 and vectors (n, k) float32."""
        sums = _checksums(vectors)
        if not self._kept:
            self._kept = self._slots(self.prepare(vectors[:1]))
        kept = self._kept
        slots = keys.view(np.uint64) % np.uint64(len(kept["sum"]))
        new = np.flatnonzero((kept["key"][slots] != keys) | (kept["sum"][slots] != sums))
        fresh = {"key": keys[new], "sum": sums[new], **self.prepare(vectors[new])}
        evidence: ItemEvidence = {"vectors": vectors}
        for name, memory in kept.items():
            if name not in ("key", "sum"):
                evidence[name] = memory[slots]
                evidence[name][new] = fresh[name]
            memory[slots[new]] = fresh[name]
        return evidence

    def _slots(self, example: ItemEvidence) -> ItemEvidence:
        """Empty memory for evidence like this of one item; a checksum is never 0."""
        example = {name: values for name, values in example.items() if name != "vectors"}
        count = max(1, self.limit // (16 + sum(values.nbytes for values in example.values())))
        memory = {"key": np.zeros(count, np.int64), "sum": np.zeros(count, np.uint64)}
        return memory | {
            name: np.empty((count, *values.shape[1:]), values.dtype) for name, values in example.items()
        }


def _checksums(vectors: np.ndarray) -> np.ndarray:
    """(n,) uint64, odd, of the bits of each row."""
    words = np.ascontiguousarray(vectors, dtype="<f4").view("<u4").astype(np.uint64)
    factors = np.random.default_rng(0).integers(1 << 63, size=words.shape[1], dtype=np.uint64)
    return (words @ (factors | np.uint64(1))) | np.uint64(1)
