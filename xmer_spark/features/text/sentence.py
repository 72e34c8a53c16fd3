"""Sentence vectors of any model in the format of sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xmer_spark.features.base import LocalModel
from xmer_spark.schema import Modality


class Sentence(LocalModel):
    """The sentence vectors (Reimers and Gurevych 2019) of a model that sentence-transformers has saved.

    ``folder`` lies on the disk of every worker; ``prompt`` is put before each text, where the model
    expects one. Texts are cut at the model's own greatest length.
    """

    name = "sentence"
    package = "sentence_transformers"
    content = "text"
    modality: Modality = "text"
    lookahead = 16

    def __init__(self, folder: str = "", prompt: str = "") -> None:
        self.folder = folder
        self.prompt = prompt

    def extract_prepared(self, prepared: Sequence[str]) -> np.ndarray:
        vectors = self._loaded().encode(
            list(prepared), prompt=self.prompt, batch_size=self.batch_size, show_progress_bar=False
        )
        return vectors.astype(np.float32, copy=False)

    def _loaded(self) -> Any:
        """The model on the device, loaded at the first call."""
        import torch

        if getattr(self, "_model_device", None) != self.device:
            with self.loading() as folder:
                self._model = _load(str(folder), self.device)
            self._model_device = self.device
        torch.set_num_threads(self.threads)
        return self._model


def _load(folder: str, device: str) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer

    # Half precision where it is fast; on a CPU it is not.
    kind = torch.float16 if device.startswith("cuda") else torch.float32
    return SentenceTransformer(
        folder,
        device=device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True, "dtype": kind},
    ).eval()
