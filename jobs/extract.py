"""Items -> features: every extractor over every item whose content it has not seen yet."""

from __future__ import annotations

from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context


def extract(context: Context) -> None:
    """Extract features of new content only; an item that fails goes to rejects and stops nothing."""
    from xmer_spark.resolver.registry import Registry
    from xmer_spark.steps import champion
    from xmer_spark.steps.extract import extraction

    config = context.config
    in_force = champion.find(Registry(config.tracking))
    # Where no model is to be trained, those of the one in force are all that is needed.
    extractors = extraction.configured(config) if config.train.again or in_force is None else []
    last = context.finished("extract")
    asked = champion.asked(in_force, last.facts if last else None)
    settings = extraction.settings(config, extractors) | {"asked": asked}
    with context.job("extract", reads=["records", "items"], settings=settings) as job:
        if job.done:
            return
        fitted = extraction.fitted(job, extractors)
        extraction.extract(job, extraction.with_champion(fitted, in_force, config.modalities))
        job.facts |= extraction.facts(fitted, in_force, asked)


if __name__ == "__main__":
    launch(extract)
