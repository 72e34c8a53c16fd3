"""What pairs of records have in common, and of what kind the two are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xmer_spark.names import kind_name, pair_name
from xmer_spark.schema import MODALITIES

#: More than any record's kind.
_KINDS = 1 << len(MODALITIES)


@dataclass(frozen=True)
class Evidence:
    """What p pairs have in common: values (p, c) float32, NaN where missing, and the pairs' kinds (p)."""

    values: np.ndarray
    kind: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)

    def where(self, rows: np.ndarray) -> Evidence:
        return Evidence(self.values[rows], self.kind[rows])


def joined(parts: Sequence[Evidence]) -> Evidence:
    """Several evidences of the same columns, one after the other."""
    return Evidence(np.concatenate([p.values for p in parts]), np.concatenate([p.kind for p in parts]))


def pair_kind(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The kinds of pairs of records, whichever comes first, as whole numbers.

    A record's kind is which modalities its contents have, as bits in the order of ``MODALITIES``.
    """
    found: np.ndarray = np.minimum(left, right) * _KINDS + np.maximum(left, right)
    return found


def _modalities(kind: int) -> list[str]:
    return [modality for place, modality in enumerate(MODALITIES) if kind >> place & 1]


def pair_kind_name(kind: int) -> str:
    """The name of a pair's kind.

    >>> pair_kind_name(int(pair_kind(np.array(2), np.array(1)))), pair_kind_name(0)
    ('image-text', 'row-row')
    """
    return pair_name(*(kind_name(_modalities(side)) for side in divmod(kind, _KINDS)))
