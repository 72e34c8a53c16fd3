"""Items -> vectors: one file an extractor."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from xmer_spark.errors import ConfigError
from xmer_spark.method import Registry
from xmer_spark.schema import MODALITIES

if TYPE_CHECKING:
    from xmer_spark.config import Extract
    from xmer_spark.features.base import Extractor

REGISTRY = Registry(
    "features",
    {
        "bilstm": "xmer_spark.features.text.bilstm:BiLSTM",
        "bow": "xmer_spark.features.text.bow:BagOfWords",
        "clip": "xmer_spark.features.image.clip:CLIP",
        "colour": "xmer_spark.features.image.colour:Colour",
        "efficientnet": "xmer_spark.features.image.efficientnet:EfficientNet",
        "gist": "xmer_spark.features.image.gist:GIST",
        "glove": "xmer_spark.features.text.glove:GloVe",
        "hog": "xmer_spark.features.image.hog:HOG",
        "lda": "xmer_spark.features.text.lda:LDA",
        "minilm": "xmer_spark.features.text.minilm:MiniLM",
        "precomputed": "xmer_spark.features.precomputed:Precomputed",
        "sentence": "xmer_spark.features.text.sentence:Sentence",
        "sif": "xmer_spark.features.text.sif:SIF",
        "sift": "xmer_spark.features.image.sift:SIFT",
        "tfidf": "xmer_spark.features.text.tfidf:TfIdf",
        "timm": "xmer_spark.features.image.timm:Timm",
        "word2vec": "xmer_spark.features.text.word2vec:Word2Vec",
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
