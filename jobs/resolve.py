"""The champion over all features: encode, block, score, cluster, publish."""

from __future__ import annotations

from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context


def resolve(context: Context) -> None:
    """Resolve all items into entities with the champion model and publish the tables."""
    from xmer_spark.resolver import registry as tracking
    from xmer_spark.resolver.model import Resolver
    from xmer_spark.steps.resolve import steps as resolution

    config = context.config
    registry = tracking.Registry(config.tracking)
    version = registry.require_champion()
    settings = {
        "scoring": config.scoring.model_dump(),
        "clustering": config.clustering.model_dump(),
        "task": config.evaluation.task,
        "keep_pairs": config.blocking.keep_pairs,
        "certificate_pairs": config.blocking.certificate_pairs,
        "source": [[source.name, source.one_per_entity] for source in config.source],
    }
    trained = registry.run_of(version)
    with context.job("resolve", ["items", "features"], settings, model=version, trained=trained) as job:
        if job.done:
            return
        resolver = Resolver.load(registry.download(version))
        embeddings = resolution.encode(job, resolver)
        if config.evaluation.task == "class":
            return  # the classes are known: there is something to rank, and nothing to cluster
        candidates = resolution.block(job, resolver, embeddings)
        matches = resolution.score(job, resolver, candidates)
        resolution.certify(job, resolver, candidates)
        clusters = resolution.cluster(job, resolver, matches)
        resolution.publish(job, clusters, matches)


if __name__ == "__main__":
    launch(resolve)
