"""Matches beside their rivals: between two sources, what a pair's probability is once all others are seen."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.clustering.competition import decide
from xmer_spark.names import direction_name
from xmer_spark.resolver.model import Resolver, Slack

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_DECIDED = "left_key bigint, right_key bigint, decided float"


def decided(scored: DataFrame, resolver: Resolver, alone: Collection[str]) -> DataFrame:
    """left_key, right_key and ``decided`` of scored pairs: the probability of a match beside its rivals.

    The pairs of two sources are decided together in one task, about 100 bytes each. ``alone`` names the
    sources that hold each thing once.
    """
    from pyspark.sql import functions as F

    once, slack = frozenset(alone), dict(resolver.slack)

    def weigh(pairs: pa.Table) -> pa.Table:
        return _weighed(pairs, once, slack)

    columns = ("left_key", "right_key", "left_source", "right_source", "probability")
    sources = F.least("left_source", "right_source"), F.greatest("left_source", "right_source")
    grouped = scored.select(
        *columns, *(c.alias(n) for c, n in zip(sources, ("first", "second"), strict=True))
    )
    return grouped.groupBy("first", "second").applyInArrow(weigh, _DECIDED)


def _weighed(pairs: pa.Table, alone: frozenset[str], slack: Slack) -> pa.Table:
    import pyarrow as pa

    first, second = pairs["first"][0].as_py(), pairs["second"][0].as_py()
    a, b = (pairs[name].to_numpy() for name in ("left_key", "right_key"))
    own = np.asarray(pairs["left_source"].to_pylist(), dtype=object) == first
    left, right = np.where(own, a, b), np.where(own, b, a)
    own_slack = slack.get(direction_name(first, second), 0.0)
    once = (first in alone, second in alone)
    found = decide(left, right, pairs["probability"].to_numpy(), *once, own_slack)
    return pa.table({"left_key": a, "right_key": b, "decided": found.astype(np.float32)})
