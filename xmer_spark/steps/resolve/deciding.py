"""Matches beside their rivals: between two sources, what a pair's probability is once all others are seen."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.clustering.competition import decide
from xmer_spark.clustering.odds import corrected
from xmer_spark.names import direction_name
from xmer_spark.resolver.model import Resolver, Slack
from xmer_spark.scoring.calibration import Correction

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_DECIDED = "left_key bigint, right_key bigint, decided float"


def decided(scored: DataFrame, resolver: Resolver, alone: Collection[str]) -> DataFrame:
    """left_key, right_key and ``decided`` of scored pairs: the probability of a match beside its rivals.

    Weighing rivals changes what a probability is worth, each kind of pairs in its own way; what the resolver
    has learnt of that puts it right.

    The pairs of two sources are decided together in one task, about 100 bytes each. ``alone`` names the
    sources that hold each thing once.
    """
    from pyspark.sql import functions as F

    once, slack, correction = frozenset(alone), dict(resolver.slack), dict(resolver.correction)

    def weigh(pairs: pa.Table) -> pa.Table:
        return _weighed(pairs, once, slack, correction)

    columns = ("left_key", "right_key", "left_source", "right_source", "probability", "kind")
    sources = F.least("left_source", "right_source"), F.greatest("left_source", "right_source")
    grouped = scored.select(
        *columns, *(c.alias(n) for c, n in zip(sources, ("first", "second"), strict=True))
    )
    return grouped.groupBy("first", "second").applyInArrow(weigh, _DECIDED)


def _weighed(pairs: pa.Table, alone: frozenset[str], slack: Slack, correction: Correction) -> pa.Table:
    import pyarrow as pa

    first, second = pairs["first"][0].as_py(), pairs["second"][0].as_py()
    a, b = (pairs[name].to_numpy() for name in ("left_key", "right_key"))
    own = np.asarray(pairs["left_source"].to_pylist(), dtype=object) == first
    left, right = np.where(own, a, b), np.where(own, b, a)
    own_slack = slack.get(direction_name(first, second), 0.0)
    once = (first in alone, second in alone)
    found = decide(left, right, pairs["probability"].to_numpy(), *once, own_slack)
    found = corrected(found, pairs["kind"].to_numpy(), correction)
    return pa.table({"left_key": a, "right_key": b, "decided": found.astype(np.float32)})
