"""A trained resolver on its way into the registry: saved whole, with what it was fitted on and its score."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xmer_spark.resolver.model import FORMAT
from xmer_spark.steps.train import data
from xmer_spark.steps.train.judgement import JUDGED, Verdict
from xmer_spark.steps.train.trainer import train

if TYPE_CHECKING:
    from xmer_spark.config import Config
    from xmer_spark.resolver.model import Resolver
    from xmer_spark.resolver.registry import Registry
    from xmer_spark.store.runs import Job


def settings(config: Config) -> dict[str, Any]:
    """What decides what is learnt: parts of the configuration, and the form that a model has today.

    A model that an earlier version has saved in another form can no longer be read, so training has to run.
    """
    return {
        "format": FORMAT,
        "train": config.train.model_dump(exclude={"again"}),
        "space": config.space.model_dump(),
        "hashing": config.hashing.model_dump(),
        "blocking": config.blocking.model_dump(exclude={"partitions", "keep_pairs", "certificate_pairs"}),
        "source": [[source.name, source.one_per_entity] for source in config.source],
        "scoring": config.scoring.model_dump(exclude={"match_threshold"}),
        "clustering": config.clustering.model_dump(include={"method", "parameters", "goal", "precision"}),
        "evaluation": config.evaluation.model_dump(include={"task"}),
    }


def fit_and_register(
    job: Job, registry: Registry, extractors: data.Extractors, settings: dict[str, Any]
) -> str:
    """Train on the records of the run's inputs and register the resolver; returns its version."""
    known = data.load(job, extractors)
    job.counts |= {"training_records": known.count, "left_out_of_training": known.left_out}
    trained = train(job.context.config, known)
    trained = replace(trained, resolver=_counted(job, trained.resolver))
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "resolver"
        identities = [identity for each in known.widths.values() for identity in each]
        states = {name: job.context.warehouse.state(f"extractors/{name}") for name in identities}
        trained.resolver.save(folder, states)
        trained.judged.save(folder / JUDGED)
        example = data.example(job) if known.items else None
        return registry.register(job.run_id, folder, trained, example, settings, job.inputs)


def _counted(job: Job, resolver: Resolver) -> Resolver:
    """The resolver with blockers that know how frequent tokens are in all records, not just in those it saw.

    So candidates depend on the model and on records alone, and those of later records add to the others.
    """
    from xmer_spark.blocking.records.stage import fitted_plan
    from xmer_spark.steps.described import described

    records = described(job.context.config, job.read("records"), job.read("items"))
    return replace(resolver, blockers=fitted_plan(records, resolver.blockers))


def record(job: Job, registry: Registry, version: str, verdict: Verdict) -> None:
    """What the run tells of the model: its version, whether it resolves from now on, and the scores."""
    job.facts |= {"version": version, "champion": verdict.promotes}
    if (score := registry.score(version)) is not None:
        job.measure("validation_score", score)
    if verdict.challenger is not None and verdict.champion is not None:
        job.measure("judged_score/challenger", verdict.challenger)
        job.measure("judged_score/champion", verdict.champion)
