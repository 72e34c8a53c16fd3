"""The trained whole: what encodes, blocks, compares and scores, saved and loaded as one.

Besides the steps, this room is the only one that brings others together. Its Spark side is a broadcast:
workers get the saved files and load them once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xmer_spark import features
from xmer_spark.blocking import records as blocking
from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.comparisons.comparer import Prepared as Compared
from xmer_spark.errors import XmerError
from xmer_spark.method import write_folder
from xmer_spark.numerics.records import Records
from xmer_spark.numerics.rows import cached_chunks
from xmer_spark.resolver.encoder import Encoder
from xmer_spark.scoring.calibration import Correction
from xmer_spark.scoring.scorer import PairScorer

_DOCUMENT = "resolver.json"
#: Raised whenever a saved resolver changes; one of another format has to be trained again.
FORMAT = 9

#: Log-odds of having no partner, by the name of two sources: how competition between matches is held.
Slack = Mapping[str, float]

#: What proposes candidate pairs, by pair of sources: blockers in order, each pair made by its first one.
Blockers = dict[tuple[str, str], list[Any]]


@dataclass
class Resolver:
    """Everything that decides which records are compared and which of them match.

    ``encoder`` is None where no field's content is encoded. ``blockers`` are by pair of sources, and
    ``plans`` say what was expected of them; ``slack`` is what rivals are weighed with, ``correction`` what
    puts probabilities beside them right, and ``threshold`` the least of these of a match.
    """

    encoder: Encoder | None
    comparer: Comparer
    scorer: PairScorer
    blockers: Blockers
    plans: dict[str, dict[str, Any]]
    slack: dict[str, float] = field(default_factory=dict)
    threshold: float = 0.5
    correction: Correction = field(default_factory=dict)

    @property
    def extractors(self) -> dict[str, list[str]]:
        """The identities of the extractors by modality; none where nothing is encoded."""
        return self.encoder.extractors if self.encoder is not None else {}

    def similarity(self, left: Records, right: Records) -> np.ndarray:
        """(n, m) float32 log-odds of a match of every two records, to rank by."""
        return self.similarities(left, right)(np.arange(len(left)))

    def similarities(self, left: Records, right: Records) -> Callable[[np.ndarray], np.ndarray]:
        """Gives those of some left records, by row numbers (r), with every right one: (r, m) float32.

        What is to be known of each record is worked out once.
        """
        sides: tuple[Compared, Compared] = self.comparer.prepare(left), self.comparer.prepare(right)
        width = len(right) * max(len(self.comparer.names), 1)

        def similarity(chosen: np.ndarray) -> np.ndarray:
            result = np.empty((len(chosen), len(right)), dtype=np.float32)
            for rows in cached_chunks(len(chosen), width):
                i = np.repeat(chosen[rows], len(right))
                j = np.tile(np.arange(len(right)), len(chosen[rows]))
                evidence = self.comparer.evidence(*sides, i, j)
                result[rows] = self.scorer.log_odds(evidence).reshape(-1, len(right))
            return result

        return similarity

    def save(
        self, folder: Path | str, extractor_states: Mapping[str, Mapping[str, bytes]] | None = None
    ) -> Path:
        """Write the resolver, with the saved state of its extractors by identity, into ``folder``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if self.encoder is not None:
            self.encoder.save(folder / "encoder")
        self.comparer.save(folder / "comparer")
        self.scorer.save(folder / "scorer")
        for number, (_, blockers) in enumerate(sorted(self.blockers.items())):
            for place, blocker in enumerate(blockers):
                blocker.save(_blocker(folder, number, place))
        for identity, state in (extractor_states or {}).items():
            write_folder(state, folder / "extractors" / identity)
        document = {
            "format": FORMAT,
            "extractors": self.extractors,
            "blockers": [[*pair, len(blockers)] for pair, blockers in sorted(self.blockers.items())],
            "plans": self.plans,
            "slack": self.slack,
            "threshold": self.threshold,
            "correction": sorted([kind, *values] for kind, values in self.correction.items()),
        }
        (folder / _DOCUMENT).write_text(json.dumps(document, indent=1, sort_keys=True), "utf-8")
        return folder

    @classmethod
    def load(cls, folder: Path | str) -> Resolver:
        """Read what ``save`` wrote."""
        folder = Path(folder)
        document = read_document(folder)
        blockers = {
            (a, b): [blocking.REGISTRY.load(_blocker(folder, number, place)) for place in range(count)]
            for number, (a, b, count) in enumerate(document["blockers"])
        }
        return cls(
            encoder=Encoder.load(folder / "encoder") if (folder / "encoder").is_dir() else None,
            comparer=Comparer.load(folder / "comparer"),
            scorer=PairScorer.load(folder / "scorer"),
            blockers=blockers,
            plans=document["plans"],
            slack=document["slack"],
            threshold=document["threshold"],
            correction={kind: (slope, offset) for kind, slope, offset in document["correction"]},
        )


def _blocker(folder: Path, pair: int, place: int) -> Path:
    """Where a blocker lies, by the number of its pair of sources: names of sources are no names of files."""
    return folder / "blockers" / str(pair) / str(place)


def read_document(folder: Path) -> dict[str, Any]:
    path = folder / _DOCUMENT
    if not path.is_file():
        raise XmerError(f"{folder} holds no resolver: {_DOCUMENT} is missing")
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if document["format"] != FORMAT:
        raise XmerError(f"{path}: format {document['format']} is not {FORMAT}; train the model again")
    return document


def load_extractors(folder: Path | str) -> dict[str, list[Any]]:
    """The extractors of a saved resolver by modality, to extract features from raw items."""
    folder = Path(folder)
    return {
        modality: [features.REGISTRY.load(folder / "extractors" / identity) for identity in identities]
        for modality, identities in read_document(folder)["extractors"].items()
    }
