"""Records and their features -> a registered resolver, with labels or with none; the better is champion."""

from __future__ import annotations

import logging

from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context

log = logging.getLogger("xmer")


def train(context: Context) -> None:
    """Fit a resolver on the training records, register it with MLflow, and judge it."""
    from xmer_spark.resolver.registry import Registry
    from xmer_spark.steps import champion, known
    from xmer_spark.steps.train import judgement, registration

    config = context.config
    in_force = champion.find(Registry(config.tracking))
    if in_force is not None and not config.train.again:
        log.info("train: model %s stays, for train.again is off", in_force.version)
        return
    settings = registration.settings(config)
    extracted = context.last_run("extract").facts
    data = known.digest(context, extracted["extractors"])
    reads = ["records", "items", "features"]
    with context.job("train", reads, settings, data=data, seed=config.seed) as job:
        registry = Registry(config.tracking)
        version = registry.version_of_run(job.run_id)
        if job.done and version is not None:
            return
        if job.done:
            job.redo()  # the run is published, and the registry has lost its model
        if version is None:
            version = registration.fit_and_register(job, registry, extracted["extractors"], settings)
        verdict = judgement.judge(job, registry, version, in_force)
        if verdict.promotes:
            registry.set_champion(version)
        registration.record(job, registry, version, verdict)


if __name__ == "__main__":
    launch(train)
