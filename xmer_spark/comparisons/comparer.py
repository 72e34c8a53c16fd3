"""All that two records can be compared by: fields by their types, contents in the common space."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any, Self

import numpy as np

from xmer_spark.comparisons import BY_TYPE, REGISTRY
from xmer_spark.comparisons.space import MEASURES, Surroundings
from xmer_spark.names import WHOLE
from xmer_spark.numerics.evidence import Evidence, pair_kind
from xmer_spark.numerics.records import EMBEDDING, SURROUNDINGS, Records
from xmer_spark.schema import MODALITIES

_DOCUMENT = "comparer.json"


@dataclass(frozen=True)
class Prepared:
    """Records with what their pairs will need of each: the prepared columns by field, and their kinds (n)."""

    records: Records
    columns: Mapping[str, Any]
    kind: np.ndarray


class Comparer:
    """Compares records of any sources.

    ``fields`` maps the names of text and scalar fields to their types: two records are compared by a field
    that both have, and, where several are texts or names, by all of their values as one text, for a value may
    stand in one field here and in another there. ``contents`` maps content fields to their modalities: two
    contents of any fields are compared in the common space, if it knows their modalities.
    """

    def __init__(self, fields: Mapping[str, str], contents: Mapping[str, str]) -> None:
        self.fields = dict(sorted(fields.items()))
        self.contents = dict(sorted(contents.items()))
        self.comparisons = {name: REGISTRY.build(BY_TYPE[kind]) for name, kind in self.fields.items()}
        if sum(BY_TYPE[kind] == "text" for kind in self.fields.values()) > 1:
            self.comparisons[WHOLE] = REGISTRY.build("text")
        self.surroundings: Surroundings | None = None

    def fit(self, records: Sequence[Records]) -> Self:
        """Learn what is rare from the values of all records, of one source each."""
        given = [self._columns(each) for each in records]
        for name, comparison in self.comparisons.items():
            comparison.fit(np.concatenate([columns[name] for columns in given if name in columns]))
        return self

    def around(self, surroundings: Surroundings | None) -> Comparer:
        """One that compares fields as this one does, and contents in a space of these surroundings."""
        found = Comparer.__new__(Comparer)
        found.fields, found.contents, found.comparisons = self.fields, self.contents, self.comparisons
        found.surroundings = surroundings
        return found

    @cached_property
    def names(self) -> list[str]:
        """The names of the columns of the evidence."""
        return [f"{pair}/{measure}" for pair, measures in self._compared() for measure in measures]

    def prepare(self, records: Records) -> Prepared:
        """What is worked out once per record."""
        given = self._columns(records)
        columns = {
            name: comparison.prepare(given[name])
            for name, comparison in self.comparisons.items()
            if name in given
        }
        return Prepared(records, columns, self.kinds(records))

    def kinds(self, records: Records) -> np.ndarray:
        """The modalities of each record's encoded contents (n), as bits in the order of ``MODALITIES``."""
        kind = np.zeros(len(records), dtype=np.int16)
        for name, modality in self.contents.items():
            kind[records.present(name + EMBEDDING)] |= 1 << MODALITIES.index(modality)
        return kind

    def comparable(self, left: Sequence[str], right: Sequence[str]) -> bool:
        """Whether records with these columns and records with those have anything to be compared by."""
        fields = set(self.fields) & set(left) & set(right)
        return bool(fields) or any(
            f + EMBEDDING in left and g + EMBEDDING in right
            for a, b in self.content_pairs
            for f, g in ((a, b), (b, a))
        )

    def evidence(self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray) -> Evidence:
        """The evidence of the pairs of left records ``i`` (p) and right records ``j`` (p)."""
        values = np.full((len(i), len(self.names)), np.nan, dtype=np.float32)
        place = 0
        for name, comparison in self.comparisons.items():
            after = place + len(comparison.measures)
            if name in left.columns and name in right.columns:
                values[:, place:after] = comparison.compare(left.columns[name], right.columns[name], i, j)
            place = after
        for f, g in self.content_pairs:
            after = place + len(MEASURES)
            values[:, place:after] = self._in_space(left.records, right.records, f, g, i, j)
            place = after
        return Evidence(values, pair_kind(left.kind[i], right.kind[j]))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, comparison in self.comparisons.items():
            comparison.save(folder / "fields" / name)
        if self.surroundings is not None:
            self.surroundings.save(folder / "surroundings")
        document = {"fields": self.fields, "contents": self.contents}
        (folder / _DOCUMENT).write_text(json.dumps(document, indent=1), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Comparer:
        found = cls(**json.loads((folder / _DOCUMENT).read_text("utf-8")))
        found.comparisons = {name: REGISTRY.load(folder / "fields" / name) for name in found.comparisons}
        if (folder / "surroundings").is_dir():
            found.surroundings = Surroundings.load(folder / "surroundings")
        return found

    def _columns(self, records: Records) -> dict[str, np.ndarray]:
        """The text and scalar columns of records, and all of them as one text."""
        found = {name: records.columns[name] for name in self.fields if name in records.columns}
        if found and WHOLE in self.comparisons:
            found[WHOLE] = _one_text(list(found.values()))
        return found

    def _compared(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for name, comparison in self.comparisons.items():
            yield f"{name}~{name}", comparison.measures
        for f, g in self.content_pairs:
            yield f"{f}~{g}", MEASURES

    @cached_property
    def content_pairs(self) -> list[tuple[str, str]]:
        """The pairs of content fields that the space compares, whichever source has which."""
        around = self.surroundings
        if around is None:
            return []
        names = [name for name, modality in self.contents.items() if modality in around.modalities]
        return [
            (f, g)
            for f, g in combinations_with_replacement(names, 2)
            if self.contents[g] in around.towards(self.contents[f])
        ]

    def _in_space(
        self, left: Records, right: Records, f: str, g: str, i: np.ndarray, j: np.ndarray
    ) -> np.ndarray:
        """The two contents in the space; of both ways round, the one that says more for a match."""
        found = np.full((len(i), len(MEASURES)), np.nan, dtype=np.float32)
        for a, b in {(f, g), (g, f)}:
            if a + EMBEDDING in left.columns and b + EMBEDDING in right.columns:
                assert self.surroundings is not None
                sides = self._side(left, a), self._side(right, b)
                found = np.fmax(found, self.surroundings.evidence(*sides, i, j))
        return found

    def _side(self, records: Records, field: str) -> tuple[str, np.ndarray, np.ndarray]:
        columns = records.columns
        return self.contents[field], columns[field + EMBEDDING], columns[field + SURROUNDINGS]


def _one_text(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Columns of strings side by side, a space between values; None where all are missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # Skipping what is missing is not left to the join, which loses rows that have nothing else.
    strings = [pc.fill_null(pa.array(column, pa.string()), "") for column in columns]
    joined = pc.utf8_trim_whitespace(pc.binary_join_element_wise(*strings, " "))
    found: np.ndarray = pc.if_else(pc.equal(joined, ""), None, joined).to_numpy(zero_copy_only=False)
    return found
