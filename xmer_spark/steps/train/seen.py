"""Records as an encoder sees them: what it makes of their contents, ready to be blocked and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.blocking.records import base as blocking
from xmer_spark.comparisons.comparer import Comparer, Prepared
from xmer_spark.resolver.encoder import Encoder
from xmer_spark.steps.train import encoder
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.items import Items, Known

if TYPE_CHECKING:
    from xmer_spark.config import Config


@dataclass(frozen=True)
class Seen:
    """Records as one model sees them: with what it makes of their contents, ready to be compared."""

    known: Mapping[str, Known]
    comparer: Comparer

    def where(self, rows: Mapping[str, np.ndarray]) -> Seen:
        """Some records of each source: masks or row numbers."""
        return Seen({name: known.where(rows[name]) for name, known in self.known.items()}, self.comparer)

    @cached_property
    def prepared(self) -> dict[str, Prepared]:
        """What is worked out once per record for all comparisons, by source."""
        return {name: self.comparer.prepare(known.records) for name, known in self.known.items()}

    @cached_property
    def tables(self) -> dict[str, blocking.Records]:
        """The records as blockers take them, by source."""
        return {
            name: blocking.Records(known.records.keys, known.records.table())
            for name, known in self.known.items()
        }


def learnt_from(
    config: Config, data: TrainingData, comparer: Comparer, items: Items
) -> tuple[Encoder | None, Seen]:
    """An encoder that is fitted on these items, and all records as it sees them."""
    fitted = encoder.fit(config, data.widths, items)
    surroundings = fitted.surroundings if fitted is not None else None
    known = encoder.placed(fitted, data.known, data.items, data.sources)
    return fitted, Seen(known, comparer.around(surroundings))
