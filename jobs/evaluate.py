"""Published entities -> measures on held-out entities, with intervals, in metrics and MLflow."""

from __future__ import annotations

from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context


def evaluate(context: Context) -> None:
    """Measure the last resolution on the entities that no model has seen."""
    from xmer_spark.resolver.model import Resolver
    from xmer_spark.resolver.registry import Registry
    from xmer_spark.steps.evaluate import measure, tables

    config = context.config
    resolved = context.last_run("resolve")
    version = str(resolved.model_version)
    by_class = config.evaluation.task == "class"
    reads = ["items", "embeddings"] if by_class else ["items", "embeddings", "members", "matches"]
    settings = {"evaluation": config.evaluation.model_dump(), "seed": config.seed}
    with context.job("evaluate", reads, settings, model=version, resolved=resolved.run_id) as job:
        if job.done:
            return
        registry = Registry(config.tracking)
        resolver = Resolver.load(registry.download(version))
        known = tables.held_out(job)
        measure.measure_ranking(job, resolver, known)
        if not by_class:
            measure.measure_clusters(job, known)
            measure.measure_probabilities(job, resolver, known)
            measure.measure_blocking(job, resolver, known, resolved.facts["candidates"])
        registry.log_metrics(version, {metric.name: metric.value for metric in job.metrics})


if __name__ == "__main__":
    launch(evaluate)
