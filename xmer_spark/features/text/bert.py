"""BERT's encoder on torch's own layers: the library that usually reads it takes six seconds to import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

#: Where torch's layer keeps what a saved model has under another name; the queries, keys and values are one.
_IN_LAYER = {
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}
_PROJECTIONS = ("query", "key", "value")
_EMBEDDINGS = {"words": "word_embeddings", "places": "position_embeddings", "norm": "LayerNorm"}


class Bert(nn.Module):
    """The token vectors of the last layer (Devlin et al. 2019), for texts of one segment."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """``config`` is what the model's ``config.json`` holds."""
        super().__init__()
        width, epsilon = config["hidden_size"], config["layer_norm_eps"]
        self.words = nn.Embedding(config["vocab_size"], width)
        self.places = nn.Embedding(config["max_position_embeddings"], width)
        self.segment = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width, eps=epsilon)
        layer = nn.TransformerEncoderLayer(
            width,
            config["num_attention_heads"],
            config["intermediate_size"],
            activation=config["hidden_act"],
            layer_norm_eps=epsilon,
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, config["num_hidden_layers"], enable_nested_tensor=False)

    def forward(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """(n, length) token ids, and which of them are padding -> (n, length, width)."""
        places = self.places.weight[: tokens.shape[1]]
        embedded = self.norm(self.words(tokens) + self.segment + places)
        vectors: Tensor = self.encoder(embedded, src_key_padding_mask=padding)
        return vectors

    def load_saved(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of a ``BertModel`` under their names; what pools the tokens is not needed."""
        found = {"segment": weights["embeddings.token_type_embeddings.weight"][0]}
        for name in self.state_dict():
            if name == "segment":
                continue
            module, _, kind = name.rpartition(".")
            if module in _EMBEDDINGS:
                found[name] = weights[f"embeddings.{_EMBEDDINGS[module]}.{kind}"]
            else:
                number, _, within = module.removeprefix("encoder.layers.").partition(".")
                found[name] = _of_layer(weights, number, within, kind)
        self.load_state_dict(found)


def _of_layer(weights: Mapping[str, Tensor], number: str, module: str, kind: str) -> Tensor:
    """One parameter of a layer: a weight or a bias, or what the three projections of attention have."""
    layer = f"encoder.layer.{number}."
    if module in _IN_LAYER:
        return weights[f"{layer}{_IN_LAYER[module]}.{kind}"]
    kind = kind.removeprefix("in_proj_")
    return torch.cat([weights[f"{layer}attention.self.{name}.{kind}"] for name in _PROJECTIONS])
