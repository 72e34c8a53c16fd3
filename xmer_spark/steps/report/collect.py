"""Fills the report from the published tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmer_spark.report import data as report
from xmer_spark.steps.report import measures, tables

if TYPE_CHECKING:
    from xmer_spark.store.runs import Job

#: The jobs whose work the page describes, in their order.
_JOBS = ("ingest", "extract", "train", "resolve", "evaluate")
_BY_CLASS = "A class-level task: items are ranked by class; entities are not formed."


def collect(job: Job) -> report.ReportData:
    """Everything that the page shows, from the tables that this run is pinned to."""
    config = job.context.config
    finished = {run.job: run for run in job.context.runs()}
    last = {name: finished[name] for name in _JOBS}
    counts = {name: run.counts for name, run in last.items()}
    found = tables.metrics(job, [last[name].run_id for name in ("resolve", "evaluate")])
    modality = {source.name: source.modality for source in config.source}
    depths = config.evaluation.recall_at
    by_class = config.evaluation.task == "class"
    return report.ReportData(
        name=config.name,
        created=max(run.finished for run in last.values()).strftime("%Y-%m-%d %H:%M UTC"),
        facts=measures.facts(counts, list(modality)),
        provenance=report.Provenance(
            run_id=last["resolve"].run_id,
            model_version=str(last["resolve"].model_version),
            warehouse=config.warehouse.path,
            table_versions=dict(sorted(job.inputs.items())),
        ),
        measures=measures.headline(found, modality, depths),
        level=config.evaluation.level,
        description=config.description,
        limits=_BY_CLASS if by_class else measures.limits(found),
        gallery=None if by_class else tables.gallery(job),
        false_pairs=() if by_class else tables.false_pairs(job),
        missed_pairs=() if by_class else tables.missed_pairs(job),
        curves=measures.curves(found),
        calibrations=measures.calibrations(found),
        distributions=measures.distributions(found),
        rankings=measures.rankings(found, depths),
        confusions=measures.confusions(found),
        stages=measures.stages(counts, found),
        job_seconds={name: (run.finished - run.started).total_seconds() for name, run in last.items()},
        rejects=tables.rejects(job),
    )
