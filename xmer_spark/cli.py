"""``xmer``: run the pipeline and look at what it has published."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xmer_spark.config import Config, load_config
from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.names import evidence_in_words
from xmer_spark.runtime import logs
from xmer_spark.steps.decide.decisions import SAYINGS
from xmer_spark.store.runs import Context

if TYPE_CHECKING:
    from xmer_spark.runtime.terminal import Terminal
    from xmer_spark.store.published import Published

#: The jobs of one full run, in order.
JOBS = ("ingest", "extract", "train", "resolve", "evaluate", "report")
DEMO = "conf/demo.toml"
BENCHMARK = "conf/benchmark.toml"


class _Group(click.Group):
    """Ends every failure in one sentence; a command line that click cannot read is click's to explain."""

    def invoke(self, ctx: click.Context) -> Any:
        logs.configure()
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except (Exception, KeyboardInterrupt) as error:
            logs.end(error)


config_option = click.option(
    "--config", default=DEMO, show_default=True, help="the configuration, a TOML file"
)
set_option = click.option(
    "--set", "replacements", multiple=True, metavar="SECTION.KEY=VALUE", help="replace one key"
)


verbose_option = click.option(
    "-v", "--verbose", is_flag=True, help="show what xmer.log has: Spark's words, the workers', all details"
)


@click.group(cls=_Group)
def main() -> None:
    """Entity resolution across images, texts and tables."""


@main.command()
@set_option
@verbose_option
def demo(replacements: Sequence[str], verbose: bool) -> None:
    """Resolve the bundled emoji set and write the report."""
    run_jobs(load_config(DEMO, replacements), logs.configure(verbose))


@main.command()
@config_option
@set_option
@verbose_option
def run(config: str, replacements: Sequence[str], verbose: bool) -> None:
    """Run all jobs of a configuration in one Spark session."""
    run_jobs(load_config(config, replacements), logs.configure(verbose))


def run_jobs(config: Config, terminal: Terminal | None = None) -> None:
    if not config.source:
        raise ConfigError(f"{config.name}: there is nothing to run without a [[source]]; see xmer benchmark")
    with closing(Context(config, terminal)) as context, context.alone("xmer run"):
        for name in JOBS:
            getattr(importlib.import_module(f"jobs.{name}"), name)(context)
    click.echo(f"\nThe report: {Path(config.report.path).resolve().as_uri()}")
    if config.evaluation.task == "entity":
        click.echo("The tables: xmer query 'FROM entities ORDER BY size DESC LIMIT 5'")


@main.command()
@click.option("--config", default=BENCHMARK, show_default=True, help="the configuration, a TOML file")
@set_option
@verbose_option
def benchmark(config: str, replacements: Sequence[str], verbose: bool) -> None:
    """Compare methods on data sets with known truth, and write one page about it."""
    from jobs.benchmark import benchmark

    loaded = load_config(config, replacements)
    with closing(Context(loaded, logs.configure(verbose))) as context:
        benchmark(context)
    if loaded.benchmark is not None:
        click.echo(f"\nThe page: {Path(loaded.benchmark.page).resolve().as_uri()}")


@main.command()
@config_option
@set_option
@click.option("--json", "as_json", is_flag=True, help="one JSON document instead of a table")
def metrics(config: str, replacements: Sequence[str], as_json: bool) -> None:
    """What the last runs have measured."""
    table = published(config, replacements).query(
        "SELECT job, name, value, low, high FROM current_metrics ORDER BY job, name"
    )
    if as_json:
        click.echo(json.dumps(table.to_pylist(), indent=1))
    else:
        show_table(table)


@main.command()
@click.argument("sql")
@config_option
@set_option
@click.option("--json", "as_json", is_flag=True, help="one JSON document instead of a table")
def query(sql: str, config: str, replacements: Sequence[str], as_json: bool) -> None:
    """Run SQL (DuckDB) over the published tables: no Spark, no JVM."""
    table = published(config, replacements).query(sql)
    if as_json:
        click.echo(json.dumps(table.to_pylist(), indent=1, default=str))
    else:
        show_table(table)


@main.command()
@click.argument("entity")
@config_option
@set_option
def show(entity: str, config: str, replacements: Sequence[str]) -> None:
    """One entity: its values, its records, the links between them, and its history."""
    from xmer_spark.steps.history import history

    tables = published(config, replacements)
    found = tables.query("SELECT * FROM entities WHERE entity_id = $1", [entity])
    if not found.num_rows:
        raise XmerError(
            f"there is no entity {entity!r}; the table entities names them all, and `xmer where {entity}` "
            "tells what became of one that there was"
        )
    for title, sql in _ABOUT_AN_ENTITY.items():
        click.secho(f"\n{title}", bold=True)
        show_table(tables.query(sql, [entity]))
    click.secho("\nHistory", bold=True)
    show_table(history(tables, entity))


@main.command()
@click.argument("entity")
@config_option
@set_option
def where(entity: str, config: str, replacements: Sequence[str]) -> None:
    """Where the records of an entity are now that may have been merged or taken apart since."""
    from xmer_spark.steps.history import where

    found = where(published(config, replacements), entity)
    if not found.num_rows:
        raise XmerError(f"none of the records that made {entity} is there any more")
    show_table(found)


@main.command()
@click.argument("entity")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="a CSV file to write it to")
@config_option
@set_option
def history(entity: str, output: Path | None, config: str, replacements: Sequence[str]) -> None:
    """Everything that happened to an entity, oldest first, and where its records are now if it is gone."""
    from xmer_spark.steps import history as told

    tables = published(config, replacements)
    found = told.history(tables, entity)
    if output is not None:
        told.write(found, output)
        click.echo(f"{found.num_rows:,} events of {entity}: {output}")
        return
    show_table(found)
    now = told.where(tables, entity)
    if entity not in now["entity_id"].to_pylist():
        click.secho("\nIt is gone; where its records are now", bold=True)
        show_table(now)


@main.command()
@click.argument("before", required=False)
@click.argument("after", required=False)
@config_option
@set_option
def diff(before: str | None, after: str | None, config: str, replacements: Sequence[str]) -> None:
    """What changed between two resolutions, named by their runs; the last two if left out."""
    from xmer_spark.steps.history import diff

    changed, moved = diff(published(config, replacements), before, after)
    for title, table in (("Records", changed), ("Moves, largest first", moved)):
        click.secho(f"\n{title}", bold=True)
        show_table(table)


_ABOUT_AN_ENTITY = {
    "Entity": """
        SELECT entity_id, title, size, sources, cohesion, lowest_link, label
        FROM entities WHERE entity_id = $1""",
    "Values": """
        SELECT unnest(map_keys(values)) AS field, unnest(map_values(values)) AS value,
            unnest(map_values(value_records)) AS record_id
        FROM entities WHERE entity_id = $1""",
    "Records": """
        SELECT record_id, any_value(confidence) AS confidence, any_value(modalities) AS modalities,
            string_agg(text, ' | ' ORDER BY field) AS text, any_value(fields) AS fields
        FROM members JOIN records USING (record_id) LEFT JOIN items USING (record_key)
        WHERE entity_id = $1 GROUP BY record_id ORDER BY record_id""",
    "Links": """
        SELECT left_id, right_id, decided, probability AS by_itself, evidence FROM matches
        JOIN members a ON a.record_id = left_id JOIN members b ON b.record_id = right_id
        WHERE a.entity_id = $1 AND b.entity_id = $1 ORDER BY decided DESC, left_id, right_id""",
}


@main.command()
@click.argument("verdict", required=False, type=click.Choice(SAYINGS))
@click.argument("records", nargs=-1)
@click.option("--file", type=click.Path(path_type=Path), help="a CSV file: left, right, verdict")
@config_option
@set_option
@verbose_option
def decide(
    verdict: str | None,
    records: Sequence[str],
    file: Path | None,
    config: str,
    replacements: Sequence[str],
    verbose: bool,
) -> None:
    """Say that two records are the same thing, or different ones, or withdraw that.

    A record is called <source>/<key>. What is said counts more than any match, in every run from then on.
    """
    from xmer_spark.steps.decide import decisions

    if (file is None) == (verdict is None) or (verdict is not None and len(records) != 2):
        raise click.UsageError("give a verdict and two records, or --file")
    sayings = [decisions.Saying.of(verdict, *records)] if verdict else decisions.read(file or Path())
    with closing(Context(load_config(config, replacements), logs.configure(verbose))) as context:
        click.echo(decisions.decide(context, sayings))


@main.command()
@click.option("--most", default=20, show_default=True, help="how many pairs")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="a CSV file to fill in, for xmer decide --file"
)
@config_option
@set_option
def review(most: int, output: Path | None, config: str, replacements: Sequence[str]) -> None:
    """The pairs whose answer, by a person, would put most right."""
    from xmer_spark.steps import review

    found = review.pairs(published(config, replacements), most)
    if output is None:
        show_table(found.drop_columns(["verdict"]))
    else:
        review.write(found, output)
        click.echo(f"{found.num_rows:,} pairs: fill in verdict, then `xmer decide --file {output}`")


@main.command()
@config_option
@set_option
def runs(config: str, replacements: Sequence[str]) -> None:
    """Every run of every job, the last first."""
    show_table(
        published(config, replacements).query(
            "SELECT finished, job, CASE WHEN status = 'finished' AND job <> 'rollback' AND (run_id, started) "
            "NOT IN (SELECT (run_id, started) FROM current_runs) THEN 'undone' ELSE status END AS status, "
            "run_id, model_version, round(epoch(finished) - epoch(started), 1) AS seconds "
            "FROM runs ORDER BY finished DESC"
        )
    )


@main.command()
@click.argument("run_id", metavar="RUN")
@config_option
@set_option
@verbose_option
def rollback(run_id: str, config: str, replacements: Sequence[str], verbose: bool) -> None:
    """Publish again what was published after an earlier run, until runs are resumed."""
    from xmer_spark.steps.rollback import rollback

    with closing(Context(load_config(config, replacements), logs.configure(verbose))) as context:
        click.echo(rollback(context, run_id))


@main.command()
@config_option
@set_option
@verbose_option
def resume(config: str, replacements: Sequence[str], verbose: bool) -> None:
    """Let runs go on after a rollback, from what it has published."""
    from xmer_spark.steps.rollback import resume

    with closing(Context(load_config(config, replacements), logs.configure(verbose))) as context:
        click.echo(resume(context))


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="where to write it; NAME.toml by default"
)
@click.option("--name", help="the configuration's name; that of the files or their folder by default")
def init(files: Sequence[Path], output: Path | None, name: str | None) -> None:
    """Look at tables and folders, and write a configuration with guessed field types."""
    from xmer_spark.steps.init.begin import begin

    for line in begin(files, output, name):
        click.echo(line)


@main.command()
@config_option
@set_option
@verbose_option
def migrate(config: str, replacements: Sequence[str], verbose: bool) -> None:
    """Carry the tables of an older version over to those of today."""
    from xmer_spark.steps.migrate.migration import migrate

    loaded, terminal = load_config(config, replacements), logs.configure(verbose)
    with closing(Context(loaded, terminal)) as context, context.alone("xmer migrate"):
        click.echo(migrate(context))


def published(config: str, replacements: Sequence[str]) -> Published:
    from xmer_spark.store.published import Published

    return Published(load_config(config, replacements).warehouse.path)


def show_table(table: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*table.column_names, header_style="bold")
    for row in table.to_pylist():
        drawn.add_row(*(_cell(value, name) for name, value in row.items()))
    Console(width=None if sys.stdout.isatty() else 200).print(drawn)


def _cell(value: Any, column: str) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if column == "evidence":
        return "\n".join(
            f"{about}: " + ", ".join(f"{how} {found:.2f}" for how, found in values.items())
            for about, values in evidence_in_words(dict(value)).items()
        )
    if isinstance(value, list) and value and isinstance(value[0], tuple):  # a map
        return "\n".join(f"{name}: {text}"[:80] for name, text in sorted(value))
    return (", ".join(map(str, value)) if isinstance(value, list) else str(value))[:80]


if __name__ == "__main__":
    main()
