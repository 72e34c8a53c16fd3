"""What the blockers of records keep and propose, and what rare tokens cost: one JSON line for each.

``python -m tests.benchmarks.record_blocking --data ../shared/data/relational`` reads the linkage sets;
``--rows`` is the size of either side of the made-up rows, 0 for none. ``per_record`` counts candidates by
records of the left side. Without labels, the planner judges by certain pairs: ``judged`` is the recall it
expects, ``recall`` what the truth says of the same blockers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from tests.benchmarks.measuring import measured
from tests.benchmarks.record_data import SETS, Linkage, made_up, read_set
from xmer_spark.blocking.records.base import RecordBlocker
from xmer_spark.blocking.records.certain import certain_pairs
from xmer_spark.blocking.records.joint import all_pairs
from xmer_spark.blocking.records.planner import Sample, choose, options
from xmer_spark.blocking.records.tokens import Tokens

#: The recall that the planner is asked for.
TARGET = 0.99


def outcome(data: Linkage, blockers: list[RecordBlocker]) -> dict[str, object]:
    """The recall of these blockers together, and how many pairs they propose."""
    other = data.left if data.right is None else data.right
    cost, found = measured(
        lambda: all_pairs([b.fit(data.left, other) for b in blockers], data.left, data.right)
    )
    true = np.unique(data.truth @ [len(other.keys), 1])
    kept = np.isin(true, found.left.astype(np.int64) * len(other.keys) + found.right)
    return {
        "recall": round(float(kept.mean()), 4),
        "per_record": round(len(found.left) / len(data.left.keys), 1),
        "seconds": round(cost.seconds, 2),
    }


def compare(folder: Path, name: str) -> None:
    data = read_set(folder, name)
    for top in (10, 20, 150):
        _say(set=name, blockers=f"tokens top={top}", **outcome(data, [Tokens(top=top)]))
    other = data.left if data.right is None else data.right
    i, j = certain_pairs(data.left, data.right)
    true = set(map(tuple, data.truth.tolist()))
    right = np.mean([pair in true for pair in zip(i.tolist(), j.tolist(), strict=True)])
    _say(set=name, certain=len(i), precision=round(float(right), 4))
    for truth in (None, (data.truth[:, 0], data.truth[:, 1])):
        sample = Sample(data.left, data.right, len(data.left.keys), len(other.keys), truth)
        blockers = options(data.left, data.right)
        cost, choice = measured(lambda s=sample, b=blockers: choose(b, s, TARGET, 1e9))  # type: ignore[misc]
        of = outcome(data, [blockers[chosen] for chosen in choice.names])
        _say(set=name, planner=choice.reason, options=len(blockers), planned=round(cost.seconds, 1), **of)


def scale(rows: int) -> None:
    left, right = made_up(rows, 0), made_up(rows, 1)
    cost, found = measured(lambda: all_pairs([Tokens().fit(left, right)], left, right))
    true = np.mean(np.isin(np.arange(rows), found.left[found.left == found.right]))
    _say(rows=rows, pairs=len(found.left), recall=round(float(true), 4), **cost._asdict())


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/relational"))
    parser.add_argument("--rows", type=int, default=100_000)
    arguments = parser.parse_args()
    if arguments.data.is_dir():
        for name in SETS:
            compare(arguments.data, name)
    else:
        print(f"no linkage sets in {arguments.data}")
    if arguments.rows:
        scale(arguments.rows)


if __name__ == "__main__":
    main()
