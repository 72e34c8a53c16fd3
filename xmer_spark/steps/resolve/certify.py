"""What blocking lost in a run: some records scored with every other one, candidates or not."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.blocking.certificate import certificate
from xmer_spark.method import loaded_once, saved_files
from xmer_spark.names import metric_name
from xmer_spark.numerics import arrow
from xmer_spark.numerics.evidence import pair_kind_name
from xmer_spark.numerics.records import Records
from xmer_spark.numerics.rows import chunks
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.described import collected

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from xmer_spark.steps.resolve.candidates import Candidates
    from xmer_spark.store.runs import Job

log = logging.getLogger(__name__)

_ABOVE = "pair string, drawn bigint, left_key bigint, right_key bigint"
#: The shares that records are drawn by are whole parts of this.
_PARTS = 1_000_000
#: Pairs that are compared in one go.
_BLOCK = 100_000


def certify(
    job: Job, resolver: Resolver, candidates: Candidates, matches: DataFrame, threshold: float
) -> None:
    """Measure, by pair of kinds, the share of the pairs above the threshold that blocking kept.

    Records are drawn by a hash of their keys, as many as ``blocking.certificate_pairs`` allows, and scored
    with all records of the sources that theirs is compared with. What blocking kept of the pairs above the
    threshold is among ``matches``.
    """
    from pyspark.sql import functions as F

    config = job.context.config
    count = max(job.counts["records"], 1)
    share = config.blocking.certificate_pairs // count / count
    chosen = collected(drawn(candidates.described, share)) if share else {}
    if not chosen or not candidates.blockers:
        return
    # What is below the review threshold need not be among the matches, though blocking kept it.
    least = max(threshold, config.scoring.review_threshold)
    question = Question(chosen, list(candidates.blockers), least)
    above = pairs_above(candidates.described, resolver, question)
    known = matches.select("left_key", "right_key", F.lit(1).alias("kept"))
    counted = (
        above.join(known, ["left_key", "right_key"], "left")
        .groupBy("pair", "drawn")
        .agg(F.count("*").alias("total"), F.count("kept").alias("kept"))
        .orderBy("pair", "drawn")
    )
    table: Any = counted.toArrow()
    pairs = arrow.strings(table["pair"])
    total, kept = (table[name].to_numpy() for name in ("total", "kept"))
    for pair in sorted(set(pairs)):
        found = certificate(total[pairs == pair], kept[pairs == pair])
        job.measure(
            metric_name("certified_recall", pair), found.share, found.low, found.high,
            records=found.items, pairs_above_threshold=found.pairs, threshold=least,
        )  # fmt: skip


@dataclass(frozen=True)
class Question:
    """The drawn records by source, the sources to pair them with, and the least probability of a pair.

    ``pairs`` are of sources: records of the first are scored with all of the second.
    """

    drawn: Mapping[str, Records]
    pairs: Sequence[tuple[str, str]]
    least: float

    def above(self, resolver: Resolver, others: Records) -> Iterator[pa.RecordBatch]:
        """The pairs of drawn records with some others of one source that are above the threshold."""
        for a, b in self.pairs:
            if b == others.source and a in self.drawn:
                yield from self._above(resolver, self.drawn[a], others)

    def _above(self, resolver: Resolver, drawn: Records, others: Records) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        sides = resolver.comparer.prepare(drawn), resolver.comparer.prepare(others)
        for rows in chunks(len(drawn), max(1, _BLOCK // max(len(others), 1))):
            some = np.arange(len(drawn))[rows]
            i, j = np.repeat(some, len(others)), np.tile(np.arange(len(others)), len(some))
            evidence = resolver.comparer.evidence(*sides, i, j)
            kinds, place = np.unique(evidence.kind, return_inverse=True)
            x, y = drawn.keys[i], others.keys[j]
            found = np.flatnonzero((resolver.scorer.probability(evidence) >= self.least) & (x != y))
            names = np.array([pair_kind_name(int(kind)) for kind in kinds], dtype=object)
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array(names[place[found]], pa.string()),
                    pa.array(x[found]),
                    pa.array(np.minimum(x, y)[found]),
                    pa.array(np.maximum(x, y)[found]),
                ],
                ["pair", "drawn", "left_key", "right_key"],
            )


def drawn(described: DataFrame, share: float) -> DataFrame:
    """About that share of the records, the same in every run."""
    from pyspark.sql import functions as F

    place = F.pmod(F.xxhash64("record_key", F.lit("certificate")), F.lit(_PARTS))
    return described.where(place < int(share * _PARTS))


def pairs_above(described: DataFrame, resolver: Resolver, question: Question) -> DataFrame:
    """The pairs of the question's records with all others that are above the threshold, ``_ABOVE``."""
    bare = Resolver(None, resolver.comparer, resolver.scorer, {}, {})
    shared = described.sparkSession.sparkContext.broadcast((saved_files(bare), question))

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        state, asked = shared.value
        model = loaded_once(state, Resolver.load)
        for batch in batches:
            source = arrow.strings(batch["source"])
            for name in sorted(set(source.tolist())):
                others = Records.of(name, batch.take(np.flatnonzero(source == name)))
                yield from asked.above(model, others)

    return described.mapInArrow(score, _ABOVE)
