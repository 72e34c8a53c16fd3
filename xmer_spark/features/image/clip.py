"""Encoders that already put images and texts into one space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xmer_spark.errors import ConfigError
from xmer_spark.features.base import Content
from xmer_spark.features.image.base import decode, on_white
from xmer_spark.features.local_model import LocalModel
from xmer_spark.features.network import padded_length
from xmer_spark.schema import Modality


class CLIP(LocalModel):
    """Projected vectors at unit length of CLIP (Radford et al. 2021), SigLIP (Zhai et al. 2023) and the like.

    ``folder`` is a model with its tokenizer and image processor as transformers saves them: of any type
    that has image and text features of one width. It serves both modalities, as one extractor each.
    """

    name = "clip"
    version = 2
    package = "transformers"
    lookahead = 4

    def __init__(self, folder: str = "", modality: Modality = "image") -> None:
        self.folder = folder
        self.modality = modality

    @property
    def content(self) -> Content:
        return "text" if self.modality == "text" else "image"

    def read(self, content: Any) -> Any:
        return content if self.content == "text" else decode(content)

    def prepare(self, value: Any) -> Any:
        """A text as it is; (h, w, 4) uint8 -> (3, pixels, pixels) float32, the model's own way."""
        if self.content == "text":
            return value
        from PIL import Image

        image = Image.fromarray(on_white(value))
        return self._preprocessor()(images=image, return_tensors="np")["pixel_values"][0]

    def _extract(self, prepared: Sequence[Any]) -> np.ndarray:
        import torch

        model = self.network()
        features = self._texts if self.content == "text" else self._images

        def encode(batch: list[Any], length: int) -> Any:
            found = features(model, batch, length)
            # A tensor, or the whole output of the tower with the projection where it pools.
            projected = getattr(found, "pooler_output", found).float()
            return torch.nn.functional.normalize(projected, dim=1)

        lengths = self._lengths(model, prepared) if self.content == "text" else None
        return self.in_batches(prepared, encode, lengths)

    def _images(self, model: Any, images: Sequence[np.ndarray], length: int) -> Any:
        import torch

        pixels = torch.from_numpy(np.stack(images)).to(self.device, model.dtype)
        return model.get_image_features(pixel_values=pixels)

    def _texts(self, model: Any, texts: Sequence[str], length: int) -> Any:
        encoded = self._preprocessor()(
            list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        )
        return model.get_text_features(**encoded.to(self.device))

    def _lengths(self, model: Any, texts: Sequence[str]) -> list[int]:
        """To how many tokens each text is padded."""
        tokenizer, settings = self._preprocessor(), model.config
        longest = min(tokenizer.model_max_length, settings.text_config.max_position_embeddings)
        if settings.model_type.startswith("siglip"):
            # It was trained on texts that are all padded to one length, and attends to the padding.
            return [longest] * len(texts)
        ids = tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
        return [padded_length(len(row), longest) for row in ids]

    def _preprocessor(self) -> Any:
        """The tokenizer, or the image processor."""
        if not hasattr(self, "_processor"):
            with self.loading() as folder:
                self._processor = _preprocessor(folder, self.content)
        return self._processor

    def _load(self) -> Any:
        if self.modality not in {"image", "text"}:
            raise ConfigError(f"features.clip: encodes image and text, not {self.modality}")
        with self.loading() as folder:
            return _load(folder, self.device)


def _preprocessor(folder: Path, content: str) -> Any:
    from transformers import AutoImageProcessor, AutoTokenizer

    if content == "text":
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    # Always Pillow's, so that pixels do not depend on whether torchvision is installed.
    return AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")


def _load(folder: Path, device: str) -> Any:
    import torch
    from transformers import AutoModel

    # Half precision where it is fast; on a CPU it is not.
    kind = torch.float16 if device.startswith("cuda") else torch.float32
    model, report = AutoModel.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype=kind, output_loading_info=True
    )
    if report["missing_keys"]:
        raise ValueError(f"its files lack weights: {', '.join(sorted(report['missing_keys'])[:3])}")
    if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
        raise ValueError(f"{type(model).__name__} has no common space of images and texts")
    return model.eval().to(device)
