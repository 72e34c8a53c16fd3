"""Block on any: an ordered list of blockers, where a pair that several propose is kept by the first of them.

No shuffle removes the others: whichever task makes a pair asks the earlier blockers about its two records,
and these can tell from the records, their marks and what they were fitted to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from xmer_spark.blocking.base import Side
from xmer_spark.blocking.records.base import Prepared, RecordBlocker, Records
from xmer_spark.errors import ConfigError


class Found(NamedTuple):
    """Some candidate pairs: positions on either side and the blocker's place in the list, all (p) int32."""

    left: np.ndarray
    right: np.ndarray
    blocker: np.ndarray


#: What each blocker of a list keeps of the same records.
Ready = list[Prepared]


def columns_of(blockers: Sequence[RecordBlocker], side: Side, available: Sequence[str]) -> list[str]:
    """The columns that any of these blockers reads of one side, sorted."""
    return sorted({column for blocker in blockers for column in blocker.columns(side, available)})


def joint_destinations(
    blockers: Sequence[RecordBlocker], side: Side, ready: Ready, partitions: int
) -> np.ndarray:
    """Where records of one side must be for the pairs of all these blockers: (n, partitions) bool."""
    reached = np.zeros((len(ready[0].keys), partitions), bool)
    for blocker, records in zip(blockers, ready, strict=True):
        reached |= blocker.destinations(side, records, partitions)
    return reached


def joint_pairs(
    blockers: Sequence[RecordBlocker],
    left: Ready,
    right: Ready,
    within: bool,
    partition: int = 0,
    partitions: int = 1,
) -> Iterator[Found]:
    """The candidate pairs that ``partition`` is in charge of, each once, by the first blocker that has it.

    ``within`` says that both sides are one source: then the left key is the lesser.
    """
    for number, (blocker, a, b) in enumerate(zip(blockers, left, right, strict=True)):
        for i, j in blocker.local_pairs(a, b, partition, partitions):
            if within:
                once = a.keys[i] < b.keys[j]
                i, j = i[once], j[once]
            new = ~proposed(blockers[:number], left, right, i, j)
            i, j = i[new], j[new]
            yield Found(i, j, np.full(len(i), number, np.int32))


def proposed(
    blockers: Sequence[RecordBlocker], left: Ready, right: Ready, i: np.ndarray, j: np.ndarray
) -> np.ndarray:
    """Whether any of these blockers, the first of the list, proposes left records i and right records j."""
    met = np.zeros(len(i), bool)
    for blocker, a, b in zip(blockers, left, right, strict=False):
        unmet = np.flatnonzero(~met)
        met[unmet] = blocker.meets(a, b, i[unmet], j[unmet])
    return met


def all_pairs(blockers: Sequence[RecordBlocker], left: Records, right: Records | None = None) -> Found:
    """Every candidate pair of two sources in memory; of ``left`` with itself without ``right``.

    The blockers are fitted. The order of the pairs depends on the records alone.
    """
    within = right is None
    other = left if right is None else right
    check_symmetric(blockers, within, "")
    sides = [marked(blocker, left, other) for blocker in blockers]
    found = list(joint_pairs(blockers, [a for a, _ in sides], [b for _, b in sides], within))
    return gathered(found)


def gathered(found: Sequence[Found]) -> Found:
    """Several lots of pairs as one."""
    empty = Found(*(np.empty(0, np.int32) for _ in range(3)))
    return Found(*(np.concatenate(arrays) for arrays in zip(empty, *found, strict=True)))


def marked(blocker: RecordBlocker, left: Records, right: Records) -> tuple[Prepared, Prepared]:
    """All records of both sides as the blocker needs them, with their marks."""
    a, b = blocker.prepare("left", left), blocker.prepare("right", right)
    if not blocker.marked:
        return a, b
    of_left, of_right = blocker.marks(a, b)
    return a._replace(marks=of_left), b._replace(marks=of_right)


def check_symmetric(blockers: Sequence[RecordBlocker], within: bool, source: str) -> None:
    """A ConfigError where a blocker that treats its sides differently is to join a source with itself."""
    for blocker in blockers:
        if within and not blocker.symmetric:
            raise ConfigError(
                f"blocking: {type(blocker).__name__} reads other columns of its left than of its right side, "
                f"so it cannot join source {source!r} with itself"
            )
