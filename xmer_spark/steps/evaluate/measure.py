"""The steps of evaluate: each reads what it needs and writes its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xmer_spark.names import direction_name, kinds_of
from xmer_spark.numerics.compared import possible_pairs
from xmer_spark.numerics.records import Records
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.described import alone, columns_of
from xmer_spark.steps.evaluate import blocking, clusters, probabilities, ranking, tables
from xmer_spark.steps.evaluate.held_out import HeldOut
from xmer_spark.steps.evaluate.intervals import Intervals

if TYPE_CHECKING:
    from xmer_spark.store.runs import Job


def measure_ranking(job: Job, resolver: Resolver, known: HeldOut, records: Mapping[str, Records]) -> None:
    """Recall@K and MAP of every source's records as queries against every other source as gallery.

    Where classes are sought, the fields of one source are ranked against each other, too.
    """
    settings = job.context.config.evaluation
    by_class = settings.task == "class"
    question = ranking.Question(
        "label" if by_class else "entity", settings.recall_at, settings.queries, _intervals(job)
    )
    job.metrics += ranking.between_sources(known, records, resolver.similarities, question)
    if by_class:
        job.metrics += ranking.between_fields(known, records, resolver.similarities, question)


def measure_clusters(job: Job, known: HeldOut) -> None:
    """Precision, recall and F1 over pairs, and B-cubed: in all, by kinds, and by what entities hold."""
    job.metrics += clusters.metrics(tables.resolved(job, known), _intervals(job))


def measure_probabilities(job: Job, known: HeldOut) -> None:
    """Calibration, precision-recall curves and histograms of the scored pairs, by pair of kinds."""
    config = job.context.config
    scored, true = tables.scored(job, known), known.count_true_pairs(alone(config))
    for pair in sorted(scored.pairs() | set(true)):
        a, b = kinds_of(pair)
        job.metrics += probabilities.metrics(
            pair, scored.of(a, b), true.get(pair, 0), config.evaluation.level
        )


def measure_blocking(
    job: Job,
    resolver: Resolver,
    known: HeldOut,
    records: Mapping[str, Records],
    candidates: Mapping[str, int],
) -> None:
    """The share of true pairs that became candidates, and of comparisons spared, by pair of sources.

    ``candidates`` is the number of them by pair of sources.
    """
    config, sizes = job.context.config, tables.sizes(job)
    columns = {source.name: columns_of(source) for source in config.source}
    sides = {name: blocking.blockable(those, columns[name]) for name, those in records.items()}
    for (a, b), blockers in sorted(resolver.blockers.items()):
        about = direction_name(a, b)
        if a in sides and b in sides:
            level = config.evaluation.level
            job.metrics += blocking.kept(about, blockers, sides[a], sides[b], known, level)
        if about in candidates:
            possible = possible_pairs(sizes, [(a, b)])
            job.metrics.append(blocking.spared(about, candidates[about], possible))


def _intervals(job: Job) -> Intervals:
    config = job.context.config
    return Intervals(config.evaluation.bootstrap, config.evaluation.level, config.seed)
