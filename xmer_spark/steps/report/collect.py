"""Fills the report from the published tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xmer_spark.names import by_itself, kind_name, side_name
from xmer_spark.report import data as report
from xmer_spark.steps.report import measures, tables

if TYPE_CHECKING:
    from xmer_spark.config import Source
    from xmer_spark.store.runs import Job

#: The jobs whose work the page describes, in their order.
_JOBS = ("ingest", "extract", "train", "resolve", "evaluate")
_BY_CLASS = "A class-level task: records are ranked by class; entities are not formed."


def collect(job: Job) -> report.ReportData:
    """Everything that the page shows, from the tables that this run is pinned to."""
    config = job.context.config
    finished = {run.job: run for run in job.context.runs()}
    last = {name: finished[name] for name in _JOBS}
    counts = {name: run.counts for name, run in last.items()}
    found = tables.metrics(job, [last[name].run_id for name in ("resolve", "evaluate")])
    depths = config.evaluation.recall_at
    by_class = config.evaluation.task == "class"
    return report.ReportData(
        name=config.name,
        created=max(run.finished for run in last.values()).strftime("%Y-%m-%d %H:%M UTC"),
        facts=measures.facts(counts, [source.name for source in config.source]),
        provenance=report.Provenance(
            run_id=last["resolve"].run_id,
            model_version=str(last["resolve"].model_version),
            warehouse=config.warehouse.path,
            table_versions=dict(sorted(job.inputs.items())),
        ),
        measures=measures.headline(found, kinds(config.source), depths),
        level=config.evaluation.level,
        description=config.description,
        limits=_BY_CLASS if by_class else measures.limits(found),
        gallery=None if by_class else tables.gallery(job, measures.truth_known(found)),
        false_pairs=() if by_class else tables.false_pairs(job),
        missed_pairs=() if by_class else tables.missed_pairs(job),
        by_kinds=measures.by_kinds(found),
        by_holding=measures.by_holding(found),
        decided=measures.judged(found, str, measures.threshold_in_force(found)),
        by_itself=measures.judged(found, by_itself),
        rankings=measures.rankings(found, depths),
        confusions=measures.confusions(found),
        stages=measures.stages(counts, found),
        job_seconds={name: (run.finished - run.started).total_seconds() for name, run in last.items()},
        rejects=tables.rejects(job),
    )


def kinds(sources: Sequence[Source]) -> dict[str, str]:
    """The kind of records that each source has, and the modality of each of its content fields."""
    found = {}
    for source in sources:
        modalities = {name: str(field.content_modality) for name, field in source.contents().items()}
        found[source.name] = kind_name(modalities.values())
        found |= {side_name(source.name, name): modality for name, modality in modalities.items()}
    return found
