"""Published tables -> one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context


def report(context: Context) -> None:
    """Write the report of the last resolution."""
    from xmer_spark.steps.report import page

    config = context.config
    by_class = config.evaluation.task == "class"
    reads = ["records", "items", "rejects", "metrics"] + (
        [] if by_class else ["members", "entities", "matches"]
    )
    evaluated: list[str] | str = context.last_run("evaluate").run_id
    if rolled_back := context.rolled_back():  # the page shows what was undone since
        evaluated = [str(evaluated), rolled_back]
    settings = {"report": config.report.model_dump()}
    path = Path(config.report.path)
    with context.job("report", reads, settings, data=evaluated) as job:
        if job.done and path.is_file():
            return
        page.write(job, path)


if __name__ == "__main__":
    launch(report)
