"""Published entities -> measures on held-out entities, with intervals, in metrics and MLflow."""

from __future__ import annotations

import logging

from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context

log = logging.getLogger("xmer")


def evaluate(context: Context) -> None:
    """Measure the last resolution on the entities that no model has seen; nothing where no truth is known."""
    from xmer_spark.resolver.model import Resolver
    from xmer_spark.resolver.registry import Registry
    from xmer_spark.steps.evaluate import measure, tables

    config = context.config
    resolved = context.last_run("resolve")
    version = str(resolved.model_version)
    by_class = config.evaluation.task == "class"
    reads = ["records", "items", "embeddings"] + ([] if by_class else ["members", "matches"])
    settings = {"evaluation": config.evaluation.model_dump(), "seed": config.seed}
    with context.job("evaluate", reads, settings, model=version, resolved=resolved.run_id) as job:
        if job.done:
            return
        known = tables.held_out(job)
        tables.count(job, known)
        if not len(known.key):
            log.warning("evaluate: no record of split test has a known truth: nothing is measured against it")
            return
        registry = Registry(config.tracking)
        resolver = Resolver.load(registry.download(version))
        records = tables.records(job, known)
        measure.measure_ranking(job, resolver, known, records)
        if not by_class:
            measure.measure_clusters(job, known)
            measure.measure_probabilities(job, known)
            measure.measure_blocking(job, resolver, known, records, resolved.facts.get("candidates", {}))
        registry.log_metrics(version, {metric.name: metric.value for metric in job.metrics})


if __name__ == "__main__":
    launch(evaluate)
