"""The table of rows of tables: a column for each protocol, for these are different tasks."""

from __future__ import annotations

from typing import NamedTuple

from xmer_spark.report.benchmark.data import BenchmarkData

#: Setting and method of each column, with its title and what is under it.
PROTOCOLS = {
    ("whole_tables", "no_labels"): ("Whole tables", "no labels; all pairs, after clustering"),
    ("splits", "no_labels"): ("Splits, no labels", "pairs of test, no label of the set used"),
    ("splits", "training_pairs"): ("Splits, training pairs", "pairs of test, learnt from those of train"),
}


class Matched(NamedTuple):
    """One set of tables: by column precision, recall and F1 of pairs, or None where it was not measured."""

    title: str
    values: list[dict[str, float] | None]


def matched(data: BenchmarkData) -> list[Matched]:
    """The sets that have been measured; sets of one title stand in one row."""
    found = []
    for title in dict.fromkeys(data.tables.values()):
        names = {name for name, own in data.tables.items() if own == title}
        cells: list[dict[str, float] | None] = []
        for setting, method in PROTOCOLS:
            values = {
                r.measure: r.value
                for r in data.results
                if r.data in names and (r.setting, r.method) == (setting, method)
            }
            cells.append(values or None)
        if any(cells):
            found.append(Matched(title, cells))
    return found
