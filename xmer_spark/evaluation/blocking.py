"""What blocking saves (Christen 2012: reduction ratio)."""

from __future__ import annotations


def reduction_ratio(candidates: int, possible: int) -> float:
    """The share of possible comparisons that blocking spared.

    >>> reduction_ratio(25, 100)
    0.75
    """
    if not 0 <= candidates <= possible:
        raise ValueError(f"{candidates} candidates cannot come from {possible} possible pairs")
    return 1 - candidates / possible if possible else 0.0
