"""What a small change costs: rows of two sources resolved whole, then again with a hundredth of them changed.

    python -m tests.benchmarks.increments --rows 20000 100000

No labels and default settings. Of the changed rows eight in ten are new, one in ten is corrected and one in
ten is gone. ``ingest``, ``extract`` and ``resolve`` run over all rows and then over the changed ones, under
one model; a line of JSON per size has the seconds of each, and ``share``: what of the whole run's time the
change costs, each above what the same jobs take of the first size's rows for a change of a few.
``stable`` is the share of the entities whose records are the same before and after that kept their ids.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.end_to_end import job
from tests.benchmarks.measuring import Cost, measured, report
from tests.benchmarks.rows import SOURCE, SOURCES
from tests.benchmarks.rows_data import FIELDS, write_rows
from tests.slices import PLACES
from xmer_spark.config import Config, load_config
from xmer_spark.runtime import logs
from xmer_spark.store.publication import finished_runs
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

CHANGED = 0.01
STEPS = ("ingest", "extract", "resolve")
CONFIG = """
name = "increments"
[spark]
driver_memory = "{memory}"
shuffle_partitions = 16
[blocking]
partitions = 16
"""


def configured(folder: Path, memory: str) -> Config:
    """Two sources of which the first rows of the files are there."""
    text = CONFIG.format(memory=memory) + PLACES.format(folder=folder)
    fields = "".join(f'{field} = {{type = "name"}}\n' for field in FIELDS)
    text += "".join(SOURCE.format(folder=folder, name=name) + fields for name in SOURCES)
    file = folder / "increments.toml"
    file.write_text(text)
    return load_config(file)


def change(folder: Path, spare: dict[str, pa.Table], share: float) -> int:
    """Change so many of the rows of both files, from rows to ``spare``; returns how many."""
    count = 0
    for name, more in spare.items():
        table = pq.read_table(folder / f"{name}.parquet")
        some = max(1, round(share * len(table) / 10))
        gone, corrected, new = table[:some], table[some : 2 * some], more[: 8 * some]
        mails = pa.array([f"{mail or 'no'}.corrected" for mail in corrected["mail"].to_pylist()])
        at = table.schema.get_field_index("mail")
        now = pa.concat_tables([corrected.set_column(at, "mail", mails), table[2 * some :], new])
        pq.write_table(now, folder / f"{name}.parquet", row_group_size=50_000)
        count += len(gone) + len(corrected) + len(new)
    return count


def spared(folder: Path, rows: int) -> dict[str, pa.Table]:
    """Leave so many rows in each file, and keep the others for later."""
    spare = {}
    for name in SOURCES:
        table = pq.read_table(folder / f"{name}.parquet")
        pq.write_table(table[:rows], folder / f"{name}.parquet", row_group_size=50_000)
        spare[name] = table[rows:]
    return spare


def timed(config: Config, steps: tuple[str, ...]) -> dict[str, Cost]:
    context = Context(config)
    context.spark  # noqa: B018
    return {step: measured(partial(job(step), context))[0] for step in steps}


def stable(folder: Path) -> float:
    """The share of the entities with the same records in the last two resolutions that kept their ids."""
    tables = Published(f"{folder}/warehouse")
    versions = [
        dict(run["outputs"])["members"] for run in finished_runs(tables.runs()) if run["job"] == "resolve"
    ][-2:]
    before, after = (
        {tuple(records): entity for entity, records in _entities(tables, version)} for version in versions
    )
    same = before.keys() & after.keys()
    return float(np.mean([before[records] == after[records] for records in same]))


def _entities(tables: Published, version: int) -> list[tuple[str, list[str]]]:
    table = tables.dataset("members", version).to_table(["entity_id", "record_id"]).sort_by("record_id")
    grouped = table.group_by("entity_id").aggregate([("record_id", "list")])
    return list(zip(grouped["entity_id"].to_pylist(), grouped["record_id_list"].to_pylist(), strict=True))


def measure(rows: int, memory: str, fixed: Cost | None) -> Cost:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        write_rows(folder, round(rows * 1.1), 0)
        spare = spared(folder, rows)
        config = configured(folder, memory)
        whole = timed(config, ("ingest", "extract", "train", "resolve"))
        if fixed is None:
            change(folder, spare, 0.0)
            fixed = _sum(timed(config, STEPS))
            spare = {name: table[8:] for name, table in spare.items()}
        changed = change(folder, spare, CHANGED)
        part = timed(config, STEPS)
        full, few = _sum({step: whole[step] for step in STEPS}), _sum(part)
        report(
            "increments",
            rows,
            few,
            changed=changed,
            whole={step: round(cost.seconds, 1) for step, cost in whole.items()},
            change={step: round(cost.seconds, 1) for step, cost in part.items()},
            fixed=round(fixed.seconds, 1),
            share=round((few.seconds - fixed.seconds) / (full.seconds - fixed.seconds), 3),
            share_of_processor=round(
                (few.cpu_seconds - fixed.cpu_seconds) / (full.cpu_seconds - fixed.cpu_seconds), 3
            ),
            stable=stable(folder),
        )
        return fixed


def _sum(costs: dict[str, Cost]) -> Cost:
    seconds, cpu, peak = zip(*costs.values(), strict=True)
    return Cost(sum(seconds), sum(cpu), max(peak))


def main() -> None:
    parser = argparse.ArgumentParser(description="What a change of a hundredth of the rows costs.")
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[2_000, 20_000, 100_000], help="of each source"
    )
    parser.add_argument("--memory", default="6g", help="of the Spark driver, which here is all of Spark")
    options = parser.parse_args()
    logs.configure()
    fixed = None
    for rows in options.rows:
        fixed = measure(rows, options.memory, fixed)


if __name__ == "__main__":
    main()
