"""Sources -> items; what cannot be used goes to rejects with its reason."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context


def ingest(context: Context) -> None:
    """Read every source into items; what cannot be used goes to rejects with its reason."""
    from xmer_spark.sources import stage

    config, root = context.config, Path.cwd()
    settings = {"source": [s.model_dump() for s in config.source], "ingest": config.ingest.model_dump()}
    data = {source.name: stage.fingerprint(source, root) for source in config.source}
    with context.job("ingest", reads=[], settings=settings, data=data) as job:
        if job.done:
            return
        read = [stage.read_source(context.spark, source, config.ingest, root) for source in config.source]
        items = reduce(lambda a, b: a.unionByName(b), (items for items, _ in read))
        rejects = reduce(lambda a, b: a.unionByName(b), (rejects for _, rejects in read))
        items, collided = stage.separate_collisions(items)
        job.counts["items"] = job.sync("items", items).count()
        refused = job.sync("rejects", rejects.unionByName(collided), scope="reason <> 'extraction_failed'")
        job.counts["rejects"] = refused.count()
        context.spark.catalog.clearCache()  # the checked records, which both tables were made from


if __name__ == "__main__":
    launch(ingest)
