"""The exchange of parcels between tasks, in memory and without Spark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xmer_spark.clustering.scale.blocks import by_task, joined, run_steps

Part = dict[str, np.ndarray]


class Simulated:
    """``contraction.Exchange`` in memory; a part is a dict of matrices by kind."""

    def step(self, data: list[Part], *steps: Any, tasks: int | None = None) -> list[Part]:
        sent: list[dict[str, list[np.ndarray]]] = [{} for _ in range(tasks or len(data))]
        for place, part in enumerate(data):
            for parcel in run_steps(steps, part):
                for task, entries in by_task(parcel, tasks):
                    at = place if tasks is None else task
                    sent[at].setdefault(parcel.kind, []).append(entries)
        return [{kind: joined(some, len(some[0])) for kind, some in part.items()} for part in sent]

    def only(self, data: list[Part], kind: str) -> list[Part]:
        return [{kind: part[kind]} for part in data if kind in part]

    def union(self, one: list[Part], two: list[Part]) -> list[Part]:
        return one + two

    def keep(self, data: list[Part]) -> tuple[list[Part], dict[str, int]]:
        counts: dict[str, int] = {}
        for part in data:
            for kind, entries in part.items():
                counts[kind] = counts.get(kind, 0) + entries.shape[1]
        return data, counts

    def collect(self, data: list[Part], kind: str, columns: int) -> np.ndarray:
        return joined([part[kind] for part in data if kind in part], columns)


@pytest.fixture(scope="session")
def simulated() -> Simulated:
    return Simulated()
