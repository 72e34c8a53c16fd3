"""What blocking saves, and what it loses (Christen 2012: pairs completeness, reduction ratio)."""

from __future__ import annotations

from collections.abc import Iterable

from xmer_spark.numerics.intervals import Estimate, wilson


def blocking_recall(found: int, true: int, level: float = 0.95) -> Estimate:
    """The share of true pairs that became candidates, with Wilson's interval."""
    return wilson(found, true, level)


def reduction_ratio(candidates: int, possible: int) -> float:
    """The share of possible comparisons that blocking spared.

    >>> reduction_ratio(25, 100)
    0.75
    """
    if not 0 <= candidates <= possible:
        raise ValueError(f"{candidates} candidates cannot come from {possible} possible pairs")
    return 1 - candidates / possible if possible else 0.0


def possible_pairs(sizes: Iterable[int], *, within: bool = False) -> int:
    """Pairs between groups of these sizes, such as sources; with ``within``, those inside a group too.

    >>> possible_pairs([2, 3]), possible_pairs([2, 3], within=True)
    (6, 10)
    """
    sizes = list(sizes)
    total = sum(sizes)
    alone = 0 if within else sum(size * (size - 1) for size in sizes)
    return (total * (total - 1) - alone) // 2
