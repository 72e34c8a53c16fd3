"""The champion over all records, or over what has changed: encode, block, score, weigh, cluster, publish."""

from __future__ import annotations

from typing import Any

from xmer_spark.config import Config
from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context


def settings(config: Config) -> dict[str, Any]:
    """The parts of the configuration that decide what a resolution ends in."""
    return {
        "scoring": config.scoring.model_dump(),
        "clustering": config.clustering.model_dump(exclude={"max_driver_edges", "task_links"}),
        "trust": config.entities.sources(config.source),
        "values": {name: rule.model_dump() for name, rule in config.entities.rules(config.source).items()},
        "audit": config.audit.model_dump(),
        "task": config.evaluation.task,
        "keep_pairs": config.blocking.keep_pairs,
        "certificate_pairs": config.blocking.certificate_pairs,
        "source": [[source.name, source.one_per_entity] for source in config.source],
    }


def resolve(context: Context) -> None:
    """Resolve all records into entities with the champion model and publish the tables."""
    from xmer_spark.resolver.model import Resolver
    from xmer_spark.resolver.registry import Registry
    from xmer_spark.steps.resolve import changes
    from xmer_spark.steps.resolve.candidates import block, certify, score
    from xmer_spark.steps.resolve.deciding import weigh
    from xmer_spark.steps.resolve.encode import encode
    from xmer_spark.steps.resolve.publish import cluster, least_of_a_match, publish

    config = context.config
    registry = Registry(config.tracking)
    version = registry.require_champion()
    trained = registry.run_of(version)
    reads = ["records", "items", "features", *context.published_of(["decisions"])]
    with context.job("resolve", reads, settings(config), model=version, trained=trained) as job:
        if job.done:
            return
        resolver = Resolver.load(registry.download(version))
        before = changes.before(job, trained)
        embeddings = encode(job, resolver, before)
        if config.evaluation.task == "class":
            return  # the classes are known: there is something to rank, and nothing to cluster
        candidates = block(job, resolver, embeddings, before)
        matches = weigh(job, resolver, score(job, resolver, candidates))
        threshold = least_of_a_match(job, resolver)
        certify(job, resolver, candidates, matches, threshold)
        clusters = cluster(job, matches, threshold)
        publish(job, clusters, matches, before)


if __name__ == "__main__":
    launch(resolve)
