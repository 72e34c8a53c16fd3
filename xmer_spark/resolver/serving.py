"""The registered model as MLflow serves it: raw items in, embeddings and codes out.

MLflow runs this file to load a resolver (models from code), so that nothing is unpickled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from xmer_spark.errors import XmerError
from xmer_spark.resolver.model import Resolver, load_extractors


class ResolverModel(PythonModel):
    """Encodes items: ``modality`` with ``text``, ``image`` (bytes) or ``vector`` gives embedding and code."""

    def load_context(self, context: PythonModelContext) -> None:
        folder = context.artifacts["resolver"]
        self.resolver = Resolver.load(folder)
        self.extractors = load_extractors(folder)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        encoder = self.resolver.encoder
        if encoder is None:
            raise XmerError("this resolver compares rows by their fields and encodes nothing")
        parts = []
        for modality, rows in model_input.groupby("modality", sort=False):
            if modality not in self.extractors:
                known = ", ".join(sorted(self.extractors))
                raise XmerError(f"this resolver knows {known}, not {modality!r}")
            vectors = np.hstack([e.extract(rows[e.content].tolist()) for e in self.extractors[str(modality)]])
            placed = encoder.encode(str(modality), vectors)
            codes = placed.code.view(np.int64).tolist()
            parts.append(
                pd.DataFrame({"embedding": placed.embedding.tolist(), "code": codes}, index=rows.index)
            )
        return pd.concat(parts).loc[model_input.index]


set_model(ResolverModel())
