"""What blocking lost in a run: some items scored with every other one, candidates or not."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.blocking.certificate import certificate, count_by_item
from xmer_spark.method import loaded_once, saved_files
from xmer_spark.names import metric_name, pair_name
from xmer_spark.numerics import arrow
from xmer_spark.resolver.model import Resolver

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Job

log = logging.getLogger(__name__)

#: Pairs that are scored at a time.
_BLOCK = 200_000
_COUNTS = "pair string, item int, total bigint, kept bigint"


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
    items = job.counts["embedded"]
    wanted = config.blocking.certificate_pairs // max(items, 1)
    for pair, blocker in resolver.blockers.items():
        if not blocker.local:
            log.warning("blocking: no certificate for %s: its candidates depend on all items", pair)
    local = {pair for pair, blocker in resolver.blockers.items() if blocker.local}
    modality = {source.name: source.modality for source in config.source}
    pairs = [(a, b) for a, b in source_pairs if pair_name(modality[a], modality[b]) in local]
    if not wanted or not pairs or not items:
        return
    sample = _draw(embeddings, min(1.0, wanted / items))
    if not len(sample.keys):
        return
    counts = _counted(embeddings, resolver, sample, pairs, modality, thresholds)
    for pair in sorted({row["pair"] for row in counts}):
        rows = [row for row in counts if row["pair"] == pair]
        total, kept = (np.array([row[name] for row in rows]) for name in ("total", "kept"))
        found = certificate(total, kept)
        job.measure(
            metric_name("certified_recall", pair), found.share, found.low, found.high,
            items=found.items, pairs_above_threshold=found.pairs, threshold=thresholds[pair],
        )  # fmt: skip


@dataclass(frozen=True)
class _Sample:
    """Items that are scored exhaustively: sources (n), keys (n), embeddings (n, k), codes (n, words)."""

    sources: np.ndarray
    keys: np.ndarray
    embeddings: np.ndarray
    codes: np.ndarray


def _draw(embeddings: DataFrame, share: float) -> _Sample:
    """About that share of the items, the same in every run."""
    from pyspark.sql import functions as F

    drawn = F.pmod(F.xxhash64("item_key", F.lit("certificate")), F.lit(1_000_000)) < int(share * 1_000_000)
    table = (
        embeddings.where(drawn)
        .select("source", "item_key", "embedding", "code")
        .orderBy("item_key")
        .toArrow()
    )
    return _Sample(
        np.array(table["source"].to_pylist(), dtype=object),
        table["item_key"].to_numpy(),
        arrow.matrix(table["embedding"], np.float32),
        arrow.codes(table["code"]),
    )


def _counted(
    embeddings: DataFrame,
    resolver: Resolver,
    sample: _Sample,
    pairs: Sequence[tuple[str, str]],
    modality: Mapping[str, str],
    thresholds: Mapping[str, float],
) -> list[Any]:
    """Pairs above the threshold and the candidates among them, by modality pair and sampled item."""
    from pyspark.sql import functions as F

    shared = embeddings.sparkSession.sparkContext.broadcast((saved_files(resolver), sample))
    modalities, limits = dict(modality), dict(thresholds)

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.compute as pc

        state, drawn = shared.value
        model = loaded_once(state, Resolver.load)
        for batch in batches:
            for source in sorted(pc.unique(batch["source"]).to_pylist()):
                part = batch.filter(pc.equal(batch["source"], source))
                others = _Sample(
                    np.full(part.num_rows, source, dtype=object),
                    part["item_key"].to_numpy(),
                    arrow.matrix(part["embedding"], np.float32),
                    arrow.codes(part["code"]),
                )
                for a in sorted({a for a, b in pairs if b == source}):
                    name = pair_name(modalities[a], modalities[source])
                    total, kept = _score_all(
                        model, (modalities[a], modalities[source]), drawn, a, others, limits[name]
                    )
                    items = np.flatnonzero(drawn.sources == a)
                    columns = [pa.array([name] * len(items)), pa.array(items, pa.int32())]
                    columns += [pa.array(values, pa.int64()) for values in (total, kept)]
                    yield pa.RecordBatch.from_arrays(columns, names=["pair", "item", "total", "kept"])

    needed = embeddings.select("source", "item_key", "embedding", "code")
    summed = needed.mapInArrow(count, _COUNTS).groupBy("pair", "item").agg(
        F.sum("total").alias("total"), F.sum("kept").alias("kept")
    )  # fmt: skip
    return summed.orderBy("pair", "item").collect()


def _score_all(
    model: Resolver, modalities: tuple[str, str], sample: _Sample, source: str, others: _Sample, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Of each sampled item of a source: its pairs above the limit, and the candidates among them."""
    rows = np.flatnonzero(sample.sources == source)
    left = model.scorer.prepare(modalities[0], sample.embeddings[rows])
    right = model.scorer.prepare(modalities[1], others.embeddings)
    blocker = model.blockers[pair_name(*modalities)]
    total, kept = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    step = max(1, _BLOCK // max(len(others.keys), 1))
    for start in range(0, len(rows), step):
        i, j = (x.ravel() for x in np.meshgrid(
            np.arange(start, min(start + step, len(rows))), np.arange(len(others.keys)), indexing="ij"
        ))  # fmt: skip
        probability = model.scorer.probability(
            modalities, model.scorer.evidence(modalities, left, right, i, j)
        )
        above = (probability >= limit) & (sample.keys[rows[i]] != others.keys[j])
        i, j = i[above], j[above]
        candidate = blocker.hits(sample.codes[rows[i]], others.codes[j])
        for counts, new in zip(
            (total, kept), count_by_item(i, np.ones(len(i), bool), candidate, len(rows)), strict=True
        ):
            counts += new
    return total, kept
