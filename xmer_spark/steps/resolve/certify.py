"""What blocking lost in a run: some items scored with every other one, candidates or not."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.blocking.certificate import certificate, exhaustive_counts
from xmer_spark.method import loaded_once, saved_files
from xmer_spark.names import metric_name, pair_name
from xmer_spark.numerics import arrow
from xmer_spark.resolver.model import Resolver

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Job

log = logging.getLogger(__name__)

_COLUMNS = ("source", "item_key", "embedding", "code")
_COUNTS = "pair string, item bigint, total bigint, kept bigint"
#: The shares that items are drawn by are whole parts of this.
_PARTS = 1_000_000


def certify(
    job: Job,
    resolver: Resolver,
    embeddings: DataFrame,
    source_pairs: Sequence[tuple[str, str]],
    thresholds: Mapping[str, float],
) -> None:
    """Measure, by modality pair, the share of the pairs above the threshold that blocking kept.

    Items are drawn by a hash of their keys, as many as ``blocking.certificate_pairs`` allows, and scored
    with all items of the sources that theirs is compared with. A blocker that looks at more than two items
    cannot be asked about a pair alone and is left out, which is logged.
    """
    config = job.context.config
    items = max(job.counts["embedded"], 1)
    share = config.blocking.certificate_pairs // items / items
    for pair, blocker in resolver.blockers.items():
        if not blocker.local:
            log.warning("blocking: no certificate for %s: its candidates depend on all items", pair)
    local = {pair for pair, blocker in resolver.blockers.items() if blocker.local}
    modality = {source.name: source.modality for source in config.source}
    pairs = [(a, b) for a, b in source_pairs if pair_name(modality[a], modality[b]) in local]
    if not share or not pairs:
        return
    question = Question(drawn(embeddings, share), pairs, modality, dict(thresholds))
    for pair, (total, kept) in counted(embeddings, resolver, question).items():
        found = certificate(total, kept)
        job.measure(
            metric_name("certified_recall", pair), found.share, found.low, found.high,
            items=found.items, pairs_above_threshold=found.pairs, threshold=thresholds[pair],
        )  # fmt: skip


@dataclass(frozen=True)
class Embedded:
    """Embedded items: sources (n), keys (n), embeddings (n, k) and codes (n, words)."""

    source: np.ndarray
    key: np.ndarray
    embedding: np.ndarray
    code: np.ndarray

    @classmethod
    def of(cls, rows: pa.Table | pa.RecordBatch) -> Embedded:
        return cls(
            arrow.strings(rows["source"]),
            rows["item_key"].to_numpy(),
            arrow.matrix(rows["embedding"], np.float32),
            arrow.codes(rows["code"]),
        )

    def where(self, rows: np.ndarray) -> Embedded:
        return Embedded(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Question:
    """The drawn items, the sources to pair them with, and the least probability of a match.

    ``pairs`` are of sources: items of the first are scored with all of the second. ``modality`` is by source,
    ``thresholds`` by modality pair.
    """

    items: Embedded
    pairs: Sequence[tuple[str, str]]
    modality: Mapping[str, str]
    thresholds: Mapping[str, float]

    def counts(
        self, model: Resolver, others: Embedded
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
        """The pairs of drawn items with some others that are above the threshold, for each pair of sources.

        Gives the modality pair, the drawn items' rows (n), and of each its pairs and the candidates among
        them: (n), (n).
        """
        for a, b in self.pairs:
            rows, there = np.flatnonzero(self.items.source == a), others.source == b
            if len(rows) and there.any():
                pair = pair_name(self.modality[a], self.modality[b])
                modalities = self.modality[a], self.modality[b]
                sides = self.items.where(rows), others.where(there)
                yield pair, rows, *_counts(model, modalities, *sides, self.thresholds[pair])


def _counts(
    model: Resolver, modalities: tuple[str, str], left: Embedded, right: Embedded, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Of each left item its pairs with right ones above the threshold, and the candidates among them."""
    scorer, blocker = model.scorer, model.blockers[pair_name(*modalities)]
    prepared = scorer.prepare(modalities[0], left.embedding), scorer.prepare(modalities[1], right.embedding)

    def probability(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        found: np.ndarray = scorer.probability(modalities, scorer.evidence(modalities, *prepared, i, j))
        return found

    def candidate(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        found: np.ndarray = blocker.hits(left.code, right.code, i, j)
        return found

    return exhaustive_counts(left.key, right.key, probability, candidate, threshold)


def drawn(embeddings: DataFrame, share: float) -> Embedded:
    """About that share of the items, the same in every run."""
    from pyspark.sql import functions as F

    place = F.pmod(F.xxhash64("item_key", F.lit("certificate")), F.lit(_PARTS))
    chosen = embeddings.where(place < int(share * _PARTS)).orderBy("item_key")
    return Embedded.of(chosen.select(*_COLUMNS).toArrow())


def counted(
    embeddings: DataFrame, resolver: Resolver, question: Question
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By modality pair, of each drawn item its pairs above the threshold and the candidates among them."""
    from pyspark.sql import functions as F

    shared = embeddings.sparkSession.sparkContext.broadcast((saved_files(resolver), question))

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        state, asked = shared.value
        model = loaded_once(state, Resolver.load)
        for batch in batches:
            for pair, *columns in asked.counts(model, Embedded.of(batch)):
                arrays = [pa.array([pair] * len(columns[0])), *map(pa.array, columns)]
                yield pa.RecordBatch.from_arrays(arrays, ["pair", "item", "total", "kept"])

    summed = embeddings.select(*_COLUMNS).mapInArrow(count, _COUNTS).groupBy("pair", "item").agg(
        F.sum("total").alias("total"), F.sum("kept").alias("kept")
    )  # fmt: skip
    table: Any = summed.orderBy("pair", "item").toArrow()
    pairs = arrow.strings(table["pair"])
    total, kept = (table[name].to_numpy() for name in ("total", "kept"))
    return {pair: (total[pairs == pair], kept[pairs == pair]) for pair in sorted(set(pairs))}
