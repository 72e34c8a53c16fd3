"""Data sets by features by methods -> the table benchmarks and one page that compares them."""

from __future__ import annotations

import tempfile
from itertools import chain
from pathlib import Path

from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.steps.launch import launch
from xmer_spark.store.runs import Context


def benchmark(context: Context) -> None:
    """Measure every method on every data set, except what the table holds already, and write the page."""
    from jobs.extract import extract
    from jobs.ingest import ingest
    from xmer_spark.schema import BENCHMARKS
    from xmer_spark.steps.benchmark import data, matching, page, plan, runner

    settings = plan.settings(context.config)
    with tempfile.TemporaryDirectory() as folder:
        sets: dict[str, data.DataSet] = {}
        absent: dict[str, str] = {}
        for chosen in plan.wanted_data(settings):
            own = Context(data.pipeline(context.config, chosen))
            try:
                ingest(own)
            except ConfigError as error:
                runner.log.warning("benchmark: %s is left out: %s", chosen.name, error)
                absent[chosen.name] = str(error)
                continue
            extract(own)
            sets[chosen.name] = data.read(own, chosen.sources, Path(folder) / chosen.name)

        cells = plan.cells(settings, sets)
        wanted = [cell for cell in cells if plan.wanted(settings, cell)]
        tables = matching.asked(settings, absent)
        asked = settings.model_dump(exclude={"page"}) | {"absent": absent}
        with context.job("benchmark", reads=[], settings=asked, data=plan.digest(wanted, tables)) as job:
            if job.done and Path(settings.page).is_file():
                return
            present = context.warehouse.read("benchmarks").collect()
            measuring = runner.Runner(present, settings.again)
            matched = matching.rows({} if job.done else tables, present, measuring.failed)
            for rows in chain(measuring.run([] if job.done else wanted), matched):
                found = context.spark.createDataFrame(rows, BENCHMARKS.ddl)
                # What a killed run has measured stays measured, though it was not published.
                job.outputs["benchmarks"] = context.warehouse.merge("benchmarks", found, None, job.commit)
            page.write(context, settings, cells, tables, absent, measuring.failed)
            if measuring.failed:
                raise XmerError(f"benchmark: {len(measuring.failed)} failed, the others are in the table")


if __name__ == "__main__":
    launch(benchmark)
