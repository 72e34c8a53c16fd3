"""Computes the cells that the table does not hold yet, one process per fit, and says how far it is."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from xmer_spark.errors import XmerError
from xmer_spark.steps.benchmark.fit import Measured, Task, choose, measure
from xmer_spark.steps.benchmark.plan import KEY, Cell
from xmer_spark.steps.benchmark.process import alone

log = logging.getLogger(__name__)

#: How long results are held before they are written: what a killed run may lose.
_HAND_OVER_SECONDS = 120.0

#: Of the table benchmarks: pyspark's, or a dict.
Row = Any


@dataclass
class Runner:
    """What is known already, and what went wrong.

    ``present`` are the rows of the table; rows of another fingerprint, or of a method that is to be
    computed ``again``, do not count.
    """

    present: Sequence[Row]
    again: Sequence[str] = ()
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = [row for row in self.present if row["method"] not in self.again]
        self._seeds: dict[tuple[object, ...], set[int]] = {}
        self._chosen: dict[str, tuple[dict[str, Any], float | None]] = {}
        for row in kept:
            self._seeds.setdefault((row["fingerprint"], *_key(row)), set()).add(row["seed"])
            self._chosen[row["fingerprint"]] = json.loads(row["parameters"]), row["validation"]

    def missing(self, cell: Cell) -> tuple[int, ...]:
        """The seeds of a cell that the table does not hold."""
        there = self._seeds.get((cell.fingerprint, *cell.key), set())
        return tuple(seed for seed in cell.seeds if seed not in there)

    def run(self, cells: Iterable[Cell]) -> Iterator[list[Row]]:
        """Rows of the table, those of some minutes at once; what fails is noted in ``failed``."""
        todo = [(cell, seeds) for cell in cells if (seeds := self.missing(cell))]
        held: list[Row] = []
        started = handed_over = time.monotonic()
        for done, (cell, seeds) in enumerate(todo):
            left = (time.monotonic() - started) / max(done, 1) * (len(todo) - done)
            about = f"; about {left / 60:.0f} min left" if done else ""
            log.info("benchmark: %d of %d, %s%s", done + 1, len(todo), cell, about)
            try:
                held += self._rows(cell, seeds)
            except XmerError as error:
                self.failed[str(cell)] = str(error)
                log.warning("benchmark: %s failed: %s", cell, error)
            if held and time.monotonic() - handed_over > _HAND_OVER_SECONDS:
                yield held
                held, handed_over = [], time.monotonic()
        if held:
            yield held

    def _rows(self, cell: Cell, seeds: tuple[int, ...]) -> list[Row]:
        parameters, validation = self._parameters(cell)
        task = replace(cell.task, parameters=parameters, candidates=())
        return [
            {
                **dict(zip(KEY, cell.key, strict=True)),
                "seed": measured.seed,
                "direction": direction,
                "measure": name,
                "value": value,
                "seconds": measured.seconds,
                "peak_memory": measured.peak_memory,
                "parameters": json.dumps(parameters, sort_keys=True),
                "validation": validation,
                "fingerprint": cell.fingerprint,
            }
            for measured in _measure(task, seeds)
            for (direction, name), value in measured.values.items()
        ]

    def _parameters(self, cell: Cell) -> tuple[dict[str, Any], float | None]:
        """The cell's parameters and their validation score: chosen once, for all seeds and conditions."""
        if cell.fingerprint not in self._chosen:
            chosen: dict[str, Any] = {}
            score = None
            if len(cell.task.candidates) > 1:
                chosen, score = alone(choose, replace(cell.task, condition="none", amount=0.0))
            elif cell.task.candidates:
                chosen = cell.task.candidates[0]
            self._chosen[cell.fingerprint] = {**cell.task.parameters, **chosen}, score
        return self._chosen[cell.fingerprint]


def _measure(task: Task, seeds: tuple[int, ...]) -> list[Measured]:
    """Each seed in a process of its own; of a curve, whose time and memory matter less, all in one."""
    if task.condition != "none":
        return alone(measure, replace(task, seeds=seeds))
    return [result for seed in seeds for result in alone(measure, replace(task, seeds=(seed,)))]


def _key(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in KEY)
