"""Components too large for one task: their weakest links are removed, step by step, until each part fits.

A part that still has too many links loses those below the next bar; bars are 1, 2, 3, ... log-odds above the
threshold of a match. What is removed hangs on the component alone, not on where it is computed. What people
have decided stays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xmer_spark.clustering.decisions import lasting
from xmer_spark.errors import XmerError
from xmer_spark.numerics.components import check_components, components

#: Probabilities, relative to the threshold at a half.
BARS = 1 / (1 + np.exp(-np.arange(1.0, 14.0)))


class Split(NamedTuple):
    """Which edges are left (m) bool, and how many components lost some."""

    kept: np.ndarray
    components: int


def split(n: int, edges: np.ndarray, probability: np.ndarray, most: int) -> Split:
    """Leave no component of ``n`` records more than ``most`` edges."""
    kept = np.ones(len(edges), bool)
    count = 0
    for bar in [*BARS.tolist(), None]:
        if np.count_nonzero(kept) <= most:
            break
        component = components(n, edges[kept])
        check_components(component, edges[kept])
        at = component[edges[:, 0]]
        large = np.bincount(at[kept], minlength=n) > most
        if not large.any():
            break
        count += int(large.sum())
        if bar is None:
            raise too_large(int(np.bincount(at[kept]).max()), most)
        kept &= ~large[at] | lasting(probability, bar)
    return Split(kept, count)


def too_large(links: int, most: int) -> XmerError:
    return XmerError(
        f"clustering: a component has {links:,} links that are all but certain, more than "
        f"clustering.max_component_links = {most:,}; raise it if a task has 500 bytes for each, or look for "
        "a record that matches everything"
    )
