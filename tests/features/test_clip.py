"""Encoders of images and texts together."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.features.small_models import TOWER, save_clip, save_siglip, save_tokenizer
from tests.pictures import noise
from xmer_spark.config import Extract
from xmer_spark.errors import ConfigError
from xmer_spark.features import REGISTRY, build_extractors

TEXTS = ["a cat", "the dog and a cat on the roof", "dog"]


IMAGES = [noise(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_siglip(tmp_path_factory.mktemp("siglip"))


def built(folder: Path, modality: str) -> Any:
    return REGISTRY.build("clip", {"folder": str(folder), "modality": modality})


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_images_and_texts_land_in_one_space(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    images = built(folder, "image").extract(IMAGES)
    texts = built(folder, "text").extract(TEXTS)
    assert images.shape == texts.shape == (3, 8 if kind == "clip" else 16)
    for vectors in (images, texts):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert np.linalg.norm(vectors[0] - vectors[1]) > 1e-3


def test_vectors_are_those_of_the_model(clip: Path) -> None:
    import torch
    from transformers import CLIPModel, CLIPProcessor

    model = CLIPModel.from_pretrained(clip).eval()
    # torchvision's and Pillow's resizing differ by a little; an image that needs none tells the rest.
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    given = CLIPProcessor.from_pretrained(clip)(
        text=TEXTS, images=[image], return_tensors="pt", padding=True, truncation=True
    )
    with torch.inference_mode():
        output = model(**given)
    np.testing.assert_allclose(built(clip, "text").extract(TEXTS), output.text_embeds, atol=1e-5)
    found = built(clip, "image").extract([buffer.getvalue()])
    np.testing.assert_allclose(found, output.image_embeds, atol=1e-4)


@pytest.mark.parametrize("modality", ["image", "text"])
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_vectors_survive_saving_and_do_not_depend_on_the_batch(
    kind: str, modality: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    extractor = built(request.getfixturevalue(kind), modality)
    contents: list[Any] = IMAGES if modality == "image" else TEXTS
    vectors = extractor.extract(contents)
    one_by_one = np.vstack([extractor.extract([content]) for content in contents])
    np.testing.assert_array_equal(vectors, one_by_one)
    extractor.save(tmp_path)
    loaded = REGISTRY.load(tmp_path)
    assert (loaded.content, loaded.identity()) == (modality, extractor.identity())
    np.testing.assert_array_equal(loaded.extract(contents), vectors)


def test_one_entry_a_modality_configures_both(clip: Path) -> None:
    settings = Extract(image=["clip"], text=["clip"], parameters={"clip": {"folder": str(clip)}})
    image, text = build_extractors(settings)
    assert (image.content, text.content) == ("image", "text")
    assert image.identity() != text.identity()


def test_the_identity_follows_the_model_and_not_its_place(clip: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(clip, tmp_path / "moved")
    assert built(moved, "text").identity() == built(clip, "text").identity()
    (moved / "merges.txt").write_text("#version: 0.2\nc a\n")
    assert built(moved, "text").identity() != built(clip, "text").identity()


def test_a_text_beyond_the_models_length_is_cut(clip: Path) -> None:
    one, other = built(clip, "text").extract(["dog " * 30, "dog " * 40])
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_folder_that_is_none_or_broken_is_refused_in_words(clip: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file
    from transformers import BertConfig, BertModel

    with pytest.raises(ConfigError, match=r"clip: folder .* there is no such folder"):
        built(tmp_path / "none", "image").identity()
    with pytest.raises(ConfigError, match="no weights"):
        built(tmp_path, "image").identity()

    lacking = shutil.copytree(clip, tmp_path / "lacking")
    weights = load_file(lacking / "model.safetensors")
    weights.pop("text_projection.weight")
    save_file(weights, lacking / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lack weights: text_projection\.weight"):
        built(lacking, "text").extract(TEXTS)

    unprepared = shutil.copytree(clip, tmp_path / "unprepared")
    (unprepared / "preprocessor_config.json").unlink()
    with pytest.raises(ConfigError, match="cannot be used"):
        built(unprepared, "image").extract(IMAGES)

    BertModel(BertConfig(**TOWER, vocab_size=54)).save_pretrained(tmp_path / "bert")
    save_tokenizer(tmp_path / "bert").save_pretrained(tmp_path / "bert")
    with pytest.raises(ConfigError, match="BertModel has no common space"):
        built(tmp_path / "bert", "text").extract(TEXTS)
