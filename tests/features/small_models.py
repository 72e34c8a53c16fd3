"""Small models with random weights, saved as others save theirs: for extractors of a local folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TOWER = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
_TEXT = {**TOWER, "vocab_size": 54, "max_position_embeddings": 12}
_VISION = {**TOWER, "image_size": 32, "patch_size": 8}


def save_timm(place: Path) -> Path:
    import timm
    import torch
    from timm.models import save_for_hf

    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=5)
    save_for_hf(model, place, model_config={"num_classes": 5}, safe_serialization=True)
    return place


def save_sentence(place: Path) -> Path:
    """A tiny BERT, as sentence-transformers saves it."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    bert = place / "bert"
    bert.mkdir(parents=True)
    letters = [*"abcdefghijklmnopqrstuvwxyz", *("##" + c for c in "abcdefghijklmnopqrstuvwxyz")]
    (bert / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]))
    torch.manual_seed(0)
    BertModel(BertConfig(**TOWER, vocab_size=57, max_position_embeddings=64)).save_pretrained(bert)
    BertTokenizerFast(str(bert / "vocab.txt"), model_max_length=64).save_pretrained(bert)
    saved = place / "model"
    SentenceTransformer(modules=[Transformer(str(bert)), Pooling(16)], device="cpu").save(str(saved))
    return saved


def save_clip(place: Path) -> Path:
    """A tiny CLIP with its tokenizer and image processor."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(0)
    text = {**_TEXT, "bos_token_id": 52, "eos_token_id": 53}
    CLIPModel(CLIPConfig(text_config=text, vision_config=_VISION, projection_dim=8)).save_pretrained(place)
    size = {"height": 32, "width": 32}
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(place)
    save_tokenizer(place).save_pretrained(place)
    return place


def save_siglip(place: Path) -> Path:
    import torch
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    torch.manual_seed(0)
    text = {**_TEXT, "projection_size": 16}
    SiglipModel(SiglipConfig(text_config=text, vision_config=_VISION)).save_pretrained(place)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(place)
    save_tokenizer(place).save_pretrained(place)
    return place


def save_tokenizer(place: Path) -> Any:
    """CLIP's tokenizer with single letters for a vocabulary."""
    from transformers import CLIPTokenizer

    letters = list("abcdefghijklmnopqrstuvwxyz")
    tokens = [*letters, *(c + "</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    place.mkdir(exist_ok=True)
    (place / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (place / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(place, model_max_length=12)
