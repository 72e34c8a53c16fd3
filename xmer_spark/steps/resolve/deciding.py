"""Matches beside their rivals: between two sources, what a pair's probability is once all others are seen."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.clustering.competition import decide
from xmer_spark.clustering.odds import relative_to
from xmer_spark.names import direction_name
from xmer_spark.resolver.model import Resolver, Slack
from xmer_spark.scoring.scorer import PairScorer

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_DECIDED = "left_key bigint, right_key bigint, decided float"


def decided(
    scored: DataFrame, resolver: Resolver, alone: Collection[str], threshold: float | None
) -> DataFrame:
    """left_key, right_key and ``decided`` of scored pairs: a match is what reaches one half.

    The pairs of two sources are decided together in one task, about 100 bytes each. ``alone`` names the
    sources that hold each thing once; ``threshold`` replaces those that the scorer has chosen.
    """
    from pyspark.sql import functions as F

    once, least, slack = frozenset(alone), limits(resolver.scorer, threshold), dict(resolver.slack)

    def weigh(pairs: pa.Table) -> pa.Table:
        return _weighed(pairs, once, least, slack)

    columns = ("left_key", "right_key", "left_source", "right_source", "probability", "kind")
    sources = F.least("left_source", "right_source"), F.greatest("left_source", "right_source")
    grouped = scored.select(
        *columns, *(c.alias(n) for c, n in zip(sources, ("first", "second"), strict=True))
    )
    return grouped.groupBy("first", "second").applyInArrow(weigh, _DECIDED)


def limits(scorer: PairScorer, threshold: float | None) -> dict[int, float]:
    """The least probability of a match by kind of pair: the scorer's, unless a threshold replaces it."""
    chosen = {kind: scorer.thresholds.get(kind, 0.5) for kind in scorer.kinds}
    return chosen if threshold is None else dict.fromkeys(chosen, threshold)


def _weighed(pairs: pa.Table, alone: frozenset[str], limits: dict[int, float], slack: Slack) -> pa.Table:
    import pyarrow as pa

    first, second = pairs["first"][0].as_py(), pairs["second"][0].as_py()
    a, b = (pairs[name].to_numpy() for name in ("left_key", "right_key"))
    own = np.asarray(pairs["left_source"].to_pylist(), dtype=object) == first
    left, right = np.where(own, a, b), np.where(own, b, a)
    own_slack = slack.get(direction_name(first, second), 0.0)
    once = (first in alone, second in alone)
    probability = decide(left, right, pairs["probability"].to_numpy(), *once, own_slack)
    found = relative(probability, pairs["kind"].to_numpy(), limits)
    return pa.table({"left_key": a, "right_key": b, "decided": found.astype(np.float32)})


def relative(decided: np.ndarray, kind: np.ndarray, limits: dict[int, float]) -> np.ndarray:
    """Decided probabilities as they stand to the threshold of their kind: the odds (p) divided by its.

    >>> relative(np.array([0.2, 0.1]), np.array([0, 0]), {0: 0.2}).round(3).tolist()
    [0.5, 0.308]
    """
    kinds, place = np.unique(kind, return_inverse=True)
    return relative_to(decided, np.array([limits.get(int(k), 0.5) for k in kinds])[place])
