"""Sources -> records and items; what cannot be used goes to rejects with its reason."""

from __future__ import annotations

from pathlib import Path

from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context


def ingest(context: Context) -> None:
    """Read every source into records and items; what cannot be used goes to rejects with its reason."""
    from xmer_spark.steps.ingest import reading

    config, root = context.config, Path.cwd()
    data = reading.fingerprints(config, root)
    with context.job("ingest", reads=[], settings=reading.settings(config), data=data) as job:
        if not job.done:
            reading.read(job, root)


if __name__ == "__main__":
    launch(ingest)
