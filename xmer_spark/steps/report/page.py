"""The report of the last resolution, as one file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xmer_spark.store.runs import Job


def write(job: Job, path: Path) -> None:
    """Collect what the page shows from the tables that the run is pinned to, and write it."""
    from xmer_spark.report.render import render
    from xmer_spark.steps.report import collect

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(collect.collect(job)), "utf-8")
