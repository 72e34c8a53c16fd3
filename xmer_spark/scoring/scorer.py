"""The evidence of pairs of any kinds -> calibrated probabilities."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.evidence import Evidence, pair_kind_name
from xmer_spark.numerics.logistic import sigmoid
from xmer_spark.scoring import REGISTRY
from xmer_spark.scoring.calibration import Correction, fit_by_kind

log = logging.getLogger(__name__)

#: Known matches from which on a kind of pairs has a scorer of its own.
ENOUGH = 50
#: The scorer of all kinds, for those that have no own.
_ALL = -1
_DOCUMENT = "scorer.json"


class PairScorer:
    """Scores pairs by a scorer of their kind, such as image against text; corrected on validation.

    Fitted in two acts: ``fit`` on pairs that the space has not seen, ``calibrate`` on validation. Without
    known truth the first is all there is.
    """

    def __init__(self, method: str, parameters: Mapping[str, Any] | None = None) -> None:
        self.method = method
        self.parameters = dict(parameters or {})
        self.models: dict[int, Any] = {}
        self.kinds: list[int] = []
        self.calibration: Correction = {}

    @property
    def names(self) -> list[str]:
        """The kinds of pairs that it can score."""
        return [pair_kind_name(kind) for kind in self.kinds]

    def fit(
        self,
        evidence: Evidence,
        names: Sequence[str],
        truth: np.ndarray | None = None,
        weight: np.ndarray | None = None,
        most: float = 1.0,
        kinds: Collection[int] = (),
    ) -> Self:
        """Learn from candidate pairs: ``truth`` (p) of the pairs, each of which stands for ``weight`` (p).

        At most the share ``most`` of them can be matches. A kind of which no match is known is not scored,
        unless it is among ``kinds``: then the scorer of all kinds serves it. Without ``truth`` every kind is.
        """
        weight = np.ones(len(evidence)) if weight is None else weight
        found = {int(kind): np.flatnonzero(evidence.kind == kind) for kind in np.unique(evidence.kind)}
        matches = {k: len(rows) if truth is None else int(truth[rows].sum()) for k, rows in found.items()}
        known_kinds = {kind for kind, count in matches.items() if count}
        self.kinds = sorted(known_kinds | set(kinds)) if known_kinds else []
        if not self.kinds:
            raise XmerError(
                "scoring: there are no pairs to learn from; see [blocking] and the records' splits"
            )
        own = {
            kind: found[kind]
            for kind in sorted(known_kinds)
            if matches[kind] >= ENOUGH and (truth is None or matches[kind] < len(found[kind]))
        }
        if len(own) < len(self.kinds):
            own[_ALL] = np.flatnonzero(np.isin(evidence.kind, self.kinds))
        for kind, rows in own.items():
            known = None if truth is None else truth[rows].astype(np.float64)
            model = REGISTRY.build(self.method, self.parameters)
            self.models[kind] = model.fit(evidence.values[rows], names, known, weight[rows], most)
        return self

    def calibrate(self, evidence: Evidence, truth: np.ndarray, weight: np.ndarray) -> Self:
        """Correct the log-odds, by kind, so that they fit a sample of all candidates.

        A space that was fitted on more items tells matches better than those of the folds that the scorer
        learnt from. True pairs that were missed are no candidates and have no say.
        """
        self.calibration = {}
        rows = np.flatnonzero(np.isin(evidence.kind, self.kinds))
        raw = self.log_odds(evidence.where(rows))
        self.calibration = fit_by_kind(raw, evidence.kind[rows], truth[rows].astype(bool), weight[rows])
        return self

    def log_odds(self, evidence: Evidence) -> np.ndarray:
        """(p,) log-odds of a match; -inf of kinds that it was not trained to score."""
        result = np.full(len(evidence), -np.inf)
        for kind in np.unique(evidence.kind):
            if int(kind) in self.kinds:
                rows = np.flatnonzero(evidence.kind == kind)
                slope, offset = self.calibration.get(int(kind), (1.0, 0.0))
                result[rows] = slope * self._raw(int(kind), evidence.values[rows]) + offset
        return result

    def probability(self, evidence: Evidence) -> np.ndarray:
        """(p,) float32 probabilities that the two records of a pair describe one thing."""
        return sigmoid(self.log_odds(evidence)).astype(np.float32)

    def contributions(self, evidence: Evidence) -> np.ndarray:
        """What each column of the evidence adds to the log-odds before calibration: (p, c)."""
        result = np.zeros(evidence.values.shape)
        for kind in np.unique(evidence.kind):
            if int(kind) in self.kinds:
                rows = np.flatnonzero(evidence.kind == kind)
                result[rows] = self._model(int(kind)).contributions(evidence.values[rows])
        return result

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, model in self.models.items():
            model.save(folder / "kinds" / str(kind))
        document = {
            "method": self.method,
            "parameters": self.parameters,
            "models": sorted(self.models),
            "kinds": self.kinds,
            "calibration": sorted([kind, *values] for kind, values in self.calibration.items()),
        }
        (folder / _DOCUMENT).write_text(json.dumps(document, indent=1), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> PairScorer:
        document = json.loads((folder / _DOCUMENT).read_text("utf-8"))
        found = cls(document["method"], document["parameters"])
        found.models = {kind: REGISTRY.load(folder / "kinds" / str(kind)) for kind in document["models"]}
        found.kinds = document["kinds"]
        found.calibration = {kind: (slope, offset) for kind, slope, offset in document["calibration"]}
        return found

    def _model(self, kind: int) -> Any:
        return self.models.get(kind, self.models.get(_ALL))

    def _raw(self, kind: int, values: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._model(kind).log_odds(values)
        return found
