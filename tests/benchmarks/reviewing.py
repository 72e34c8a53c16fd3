"""What answers of a person are worth: one line of JSON for each round of them.

``python -m tests.benchmarks.reviewing --sets cora --rounds 2 --most 20 --data <folder>`` runs the shipped
configurations, asks what ``xmer review`` asks, answers by the truth, and resolves again. A line has the
answers given so far, and precision, recall and F1 of the pairs with a held-out record.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pyarrow as pa

from tests.benchmarks.deciding import SETS, Outcome, placed, sets_of, write
from tests.benchmarks.measuring import Cost, measured, report
from tests.slices import TO_ENTITIES, run_all, shipped
from xmer_spark.config import Config
from xmer_spark.runtime import logs
from xmer_spark.steps.decide.decisions import Saying, decide
from xmer_spark.steps.review import pairs
from xmer_spark.store.published import Published


def main() -> None:
    parser = argparse.ArgumentParser(description="What answers of a person are worth.")
    parser.add_argument("--data", type=Path, help="folder of the sets that are not bundled")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["demo"])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--most", type=int, default=20, help="answers per round")
    options = parser.parse_args()
    logs.configure(verbose=False)
    for name in sets_of(options, parser):
        with tempfile.TemporaryDirectory() as folder:
            ask(name, Path(folder), options)


def ask(name: str, folder: Path, options: argparse.Namespace) -> None:
    """Resolve the set, and again after each round of answers."""
    write(name, folder, options.data)
    config = placed(shipped(name, folder), folder)
    cost, context = measured(lambda: run_all(config, TO_ENTITIES))
    tell(name, config, 0, cost)
    for number in range(options.rounds):
        published = Published(config.warehouse.path)
        decide(context, answers(published, pairs(published, options.most)))
        cost, context = measured(lambda: run_all(config, TO_ENTITIES))
        tell(name, config, options.most * (number + 1), cost)
    context.close()


def answers(published: Published, asked: pa.Table) -> list[Saying]:
    """What somebody who knows the truth says of these pairs."""
    records = published.query("SELECT record_id, entity FROM records").to_pydict()
    entity = dict(zip(records["record_id"], records["entity"], strict=True))
    ends = zip(asked["left"].to_pylist(), asked["right"].to_pylist(), strict=True)
    return [
        Saying.of("same" if entity[a] is not None and entity[a] == entity[b] else "different", a, b)
        for a, b in ends
    ]


def tell(name: str, config: Config, answered: int, cost: Cost) -> None:
    found = Outcome.of(config)
    precision, recall, f1 = found.measures(found.cluster).round(4).tolist()
    report(name, len(found.entity), cost, answers=answered, precision=precision, recall=recall, f1=f1)


if __name__ == "__main__":
    main()
