"""What extraction runs: the configured extractors, fitted to today's items, and the champion's as they are.

A model knows its own extractors only. Were those refitted and the new model then not promoted, new items
would have features that nothing in force can read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xmer_spark.features import build_extractors, stage
from xmer_spark.features.base import Extractor
from xmer_spark.steps.champion import Champion

if TYPE_CHECKING:
    from xmer_spark.config import Config
    from xmer_spark.store.runs import Job

_HOW_IT_RUNS = {"batch_size", "device", "decode_threads"}


def configured(config: Config) -> list[Extractor]:
    """The configured extractors, unfitted, of the modalities that the sources have."""
    return [each for each in build_extractors(config.extract) if each.modality in config.modalities]


def settings(config: Config, extractors: Sequence[Extractor]) -> dict[str, Any]:
    """The parts of the configuration that decide the features."""
    return {
        "extract": config.extract.model_dump(exclude=_HOW_IT_RUNS),
        "seed": config.seed,
        # The content of a local folder may change while its name stays.
        "models": [each.identity() for each in extractors],
    }


def fitted(job: Job, extractors: Sequence[Extractor]) -> list[Extractor]:
    """The extractors fitted on training items, with their state kept beside the tables."""
    config = job.context.config
    truth = job.read("records").select("record_key", "label", "split")
    items = job.read("items").join(truth, "record_key")
    found = []
    for each in extractors:
        extractor, left_out = stage.fit_extractor(items, each, config.extract.fit_sample, config.seed)
        job.context.warehouse.keep_state(f"extractors/{extractor.identity()}", extractor.save)
        if left_out:
            job.counts[f"left_out_of_fitting_{extractor.name}"] = left_out
        found.append(extractor)
    return found


def with_champion(
    fitted: Sequence[Extractor], champion: Champion | None, modalities: Sequence[str]
) -> list[Extractor]:
    """The fitted extractors and those of the champion's that are others."""
    known = {each.identity() for each in fitted}
    others = champion.load_extractors() if champion else []
    return [*fitted, *(e for e in others if e.identity() not in known and e.modality in modalities)]


def extract(job: Job, extractors: Sequence[Extractor]) -> None:
    """Run the extractors on what they have not seen; write features, and rejects for what failed."""
    from pyspark import StorageLevel

    config = job.context.config
    items, present = job.read("items"), job.read_previous("features")
    todo = stage.missing(items, present, extractors)
    found = stage.extract_features(todo, extractors, config.extract).persist(StorageLevel.DISK_ONLY)
    features = job.merge("features", found.where("error IS NULL"), gone=stage.outdated(items, present))
    job.sync("rejects", stage.failures(found, items), scope="reason = 'extraction_failed'")
    job.counts |= {"features": features.count(), "extracted": found.count()}
    found.unpersist()


def facts(fitted: Sequence[Extractor], champion: Champion | None, asked: Sequence[str]) -> dict[str, Any]:
    """What the jobs after this one, and the next extraction, must know of it."""
    own = [each.identity() for each in fitted]
    covered = sorted({*own, *(champion.identities if champion else [])})
    return {
        "extractors": [[each.modality, each.identity()] for each in fitted],
        "covered": covered,
        "asked": list(asked),
    }
