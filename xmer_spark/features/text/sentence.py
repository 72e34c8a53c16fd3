"""Sentence vectors of any model in the format of sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xmer_spark.features.local_model import LocalModel
from xmer_spark.schema import Modality


class Sentence(LocalModel):
    """The sentence vectors (Reimers and Gurevych 2019) of a model that sentence-transformers has saved.

    ``folder`` lies on the disk of every worker, or at a URL; ``prompt`` is put before each text, where the
    model expects one. Texts are cut at the model's own greatest length.
    """

    name = "sentence"
    version = 2
    package = "sentence_transformers"
    content = "text"
    modality: Modality = "text"
    lookahead = 16

    def __init__(self, folder: str = "", prompt: str = "") -> None:
        self.folder = folder
        self.prompt = prompt

    def _extract(self, prepared: Sequence[str]) -> np.ndarray:
        model = self.network()

        def encode(texts: list[str], length: int) -> Any:
            return model.encode(
                texts,
                prompt=self.prompt,
                batch_size=len(texts),
                show_progress_bar=False,
                convert_to_tensor=True,
            )

        # Texts of as many tokens go together, which need no padding, whatever the model does with it.
        lengths = [model.preprocess([text], prompt=self.prompt)["input_ids"].shape[-1] for text in prepared]
        return self.in_batches(prepared, encode, lengths)

    def _load(self) -> Any:
        with self.loading() as folder:
            return _load(str(folder), self.device)


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
