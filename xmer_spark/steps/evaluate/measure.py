"""The steps of evaluate: each reads what it needs and writes its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xmer_spark.names import direction_of, modalities_of
from xmer_spark.numerics.compared import source_pairs
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.evaluate import blocking, clusters, probabilities, ranking, tables
from xmer_spark.steps.evaluate.held_out import HeldOut
from xmer_spark.steps.evaluate.intervals import Intervals
from xmer_spark.steps.resolve.candidates import thresholds

if TYPE_CHECKING:
    from xmer_spark.config import Config
    from xmer_spark.store.runs import Job


def measure_ranking(job: Job, resolver: Resolver, known: HeldOut) -> None:
    """Recall@K and MAP of every source's items as queries against every other source as gallery."""
    settings = job.context.config.evaluation
    truth = "label" if settings.task == "class" else "entity"
    scorer = resolver.scorer
    job.metrics += ranking.metrics(
        known, scorer.similarity, scorer.coefficients_, truth, settings.recall_at, _intervals(job)
    )


def measure_clusters(job: Job, known: HeldOut) -> None:
    """Precision, recall and F1 over pairs, in all and by modality pair, and B-cubed."""
    job.metrics += clusters.metrics(tables.resolved(job, known), _intervals(job))


def measure_probabilities(job: Job, resolver: Resolver, known: HeldOut) -> None:
    """Calibration, precision-recall curves and histograms of the scored pairs, by modality pair."""
    config = job.context.config
    scored, limits = tables.scored(job, known), thresholds(job, resolver)
    for pair in sorted(resolver.blockers):
        a, b = modalities_of(pair)
        true = len(known.true_pairs(a, b, _alone(config))[0])
        job.metrics += probabilities.metrics(
            pair, *scored.of(a, b), true, limits[pair], config.evaluation.level
        )


def measure_blocking(job: Job, resolver: Resolver, known: HeldOut, candidates: Mapping[str, int]) -> None:
    """The share of true pairs that became candidates, and of comparisons spared, by modality pair.

    ``candidates`` is the number of them by pair of sources.
    """
    config = job.context.config
    alone, sizes = _alone(config), tables.sizes(job)
    modality = {source.name: source.modality for source in config.source}
    counts = {direction_of(name): count for name, count in candidates.items()}
    for pair, blocker in sorted(resolver.blockers.items()):
        if blocker.local:  # the others cannot be asked about a pair alone
            i, j = known.true_pairs(*modalities_of(pair), alone)
            job.metrics += blocking.kept(
                pair, blocker.hits(known.codes, known.codes, i, j), config.evaluation.level
            )
        compared = {p: counts[p] for p in source_pairs(modality, alone, [pair]) if p in counts}
        job.metrics.append(blocking.spared(pair, compared, sizes))


def _alone(config: Config) -> set[str]:
    return {source.name for source in config.source if source.one_per_entity}


def _intervals(job: Job) -> Intervals:
    config = job.context.config
    return Intervals(config.evaluation.bootstrap, config.evaluation.level, config.seed)
