"""Items -> vectors: one file an extractor."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from xmer_spark.errors import ConfigError
from xmer_spark.methods import Registry
from xmer_spark.schema import MODALITIES

if TYPE_CHECKING:
    from xmer_spark.config import Extract
    from xmer_spark.features.base import Extractor

REGISTRY = Registry(
    "features",
    {
        "colour": "xmer_spark.features.image.colour:Colour",
        "efficientnet": "xmer_spark.features.image.efficientnet:EfficientNet",
        "hog": "xmer_spark.features.image.hog:HOG",
        "minilm": "xmer_spark.features.text.minilm:MiniLM",
        "precomputed": "xmer_spark.features.precomputed:Precomputed",
        "tfidf": "xmer_spark.features.text.tfidf:TfIdf",
    },
)


def build_extractors(settings: Extract) -> list[Extractor]:
    """The configured extractors of every modality, unfitted; those that serve any modality are told which."""
    extractors = []
    for modality in MODALITIES:
        for name in getattr(settings, modality):
            parameters: dict[str, Any] = dict(settings.parameters.get(name, {}))
            if "modality" in inspect.signature(REGISTRY.method(name)).parameters:
                parameters["modality"] = modality
            extractor: Extractor = REGISTRY.build(name, parameters)
            if extractor.modality != modality:
                raise ConfigError(f"extract.{modality}: {name} extracts {extractor.modality}, not {modality}")
            extractors.append(extractor)
    return extractors
