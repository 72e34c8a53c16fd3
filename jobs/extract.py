"""Items -> features: every extractor over every item whose content it has not seen yet."""

from __future__ import annotations

from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context


def extract(context: Context) -> None:
    """Extract features of new content only; an item that fails goes to rejects and stops nothing."""
    from pyspark import StorageLevel

    from xmer_spark.features import build_extractors, stage

    config = context.config
    how_it_runs = {"batch_size", "device", "decode_threads"}
    unfitted = build_extractors(config.extract)
    settings = {
        "extract": config.extract.model_dump(exclude=how_it_runs),
        "seed": config.seed,
        "models": [e.identity() for e in unfitted],  # a local folder's content may change, not its name
    }
    with context.job("extract", reads=["items"], settings=settings) as job:
        if job.done:
            return
        items, present = job.read("items"), job.read_previous("features")
        extractors = []
        for each in unfitted:
            extractor, left_out = stage.fit_extractor(items, each, config.extract.fit_sample, config.seed)
            context.warehouse.keep_state(f"extractors/{extractor.identity()}", extractor.save)
            job.counts[f"left_out_of_fitting_{extractor.name}"] = left_out
            extractors.append(extractor)
        job.facts["extractors"] = [[e.modality, e.identity()] for e in extractors]

        todo = stage.missing(items, present, extractors)
        found = stage.extract_features(todo, extractors, config.extract).persist(StorageLevel.DISK_ONLY)
        features = job.merge("features", found.where("error IS NULL"), gone=stage.outdated(items, present))
        job.sync("rejects", stage.failures(found), scope="reason = 'extraction_failed'")
        job.counts |= {"features": features.count(), "extracted": found.count()}
        found.unpersist()


if __name__ == "__main__":
    launch(extract)
