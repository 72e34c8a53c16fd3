"""Features of labelled items -> a registered resolver; it becomes champion unless validation gets worse."""

from __future__ import annotations

import tempfile
from pathlib import Path

from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context


def train(context: Context) -> None:
    """Fit a resolver on the training items' features and register it with MLflow."""
    from xmer_spark.resolver.registry import Registry
    from xmer_spark.steps.train import data as training_data
    from xmer_spark.steps.train.trainer import Trainer

    config = context.config
    parts = ("train", "space", "hashing", "blocking", "scoring", "evaluation")
    settings = {part: getattr(config, part).model_dump() for part in parts}
    extractors = context.last_run("extract").facts["extractors"]
    data = training_data.digest(context, extractors)
    with context.job(
        "train", reads=["items", "features"], settings=settings, data=data, seed=config.seed
    ) as job:
        registry = Registry(config.tracking)
        version = registry.version_of_run(job.run_id)
        if job.done and version is not None:
            return
        if version is None:  # also where the run is published and the registry has lost its model
            known = training_data.load(job, extractors)
            trainer = Trainer(config, known.widths, known.sources, known.population)
            trained = trainer.train(known.items)
            with tempfile.TemporaryDirectory() as parent:
                folder = Path(parent) / "resolver"
                states = {
                    identity: context.warehouse.state(f"extractors/{identity}") for _, identity in extractors
                }
                trained.resolver.save(folder, states)
                example = training_data.example(job)
                version = registry.register(job.run_id, folder, trained, example, settings, job.inputs)
        job.facts |= {"version": version, "champion": registry.promote(version)}
        job.measure("validation_score", registry.score(version))


if __name__ == "__main__":
    launch(train)
