"""Encoders of timm from the local disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.features.small_models import save_timm
from tests.pictures import noise
from xmer_spark.errors import ConfigError
from xmer_spark.features import REGISTRY

timm = pytest.importorskip("timm", reason="timm is optional")


IMAGES = [noise(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_timm(tmp_path_factory.mktemp("timm"))


def test_vectors_are_the_pooled_features_and_survive_saving(folder: Path, tmp_path: Path) -> None:
    import torch

    extractor = REGISTRY.build("timm", {"folder": str(folder), "pixels": 96})
    vectors = extractor.extract(IMAGES)
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    assert vectors.shape == (3, model.num_features)
    pixels = np.stack([extractor.prepare(extractor.read(image)) for image in IMAGES])
    scaled = (pixels / 255 - model.pretrained_cfg["mean"]) / model.pretrained_cfg["std"]
    with torch.inference_mode():
        images = torch.tensor(scaled, dtype=torch.float32).permute(0, 3, 1, 2)
        expected = model.forward_head(model.forward_features(images), pre_logits=True)
    np.testing.assert_allclose(vectors, expected, atol=1e-4)

    extractor.save(tmp_path)
    loaded = REGISTRY.load(tmp_path)
    assert loaded.identity() == extractor.identity()
    np.testing.assert_array_equal(loaded.extract(IMAGES), vectors)


def test_weights_alone_are_enough_where_the_architecture_is_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    model = timm.create_model("test_vit")
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    extractor = REGISTRY.build("timm", {"folder": str(tmp_path), "architecture": "test_vit", "pixels": 96})
    assert extractor.extract(IMAGES).shape == (3, model.num_features)
    with pytest.raises(ConfigError, match=r"neither its config\.json nor the parameter architecture"):
        REGISTRY.build("timm", {"folder": str(tmp_path)}).extract(IMAGES)
    with pytest.raises(ConfigError, match="cannot be used"):
        REGISTRY.build("timm", {"folder": str(tmp_path), "architecture": "test_resnet"}).extract(IMAGES)


def test_the_identity_follows_the_weights_and_not_their_place(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    moved = shutil.copytree(folder, tmp_path / "moved")
    one = REGISTRY.build("timm", {"folder": str(folder)}).identity()
    assert REGISTRY.build("timm", {"folder": str(moved)}).identity() == one
    weights = load_file(moved / "model.safetensors")
    weights[next(name for name in weights if name.endswith("conv1.weight"))] *= 2
    save_file(weights, moved / "model.safetensors")
    assert REGISTRY.build("timm", {"folder": str(moved)}).identity() != one


def test_a_folder_that_is_none_or_broken_is_refused_in_words(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    with pytest.raises(ConfigError, match="there is no such folder"):
        REGISTRY.build("timm", {"folder": str(tmp_path / "none")}).identity()
    broken = shutil.copytree(folder, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights.pop(next(name for name in weights if name.endswith("conv1.weight")))
    save_file(weights, broken / "model.safetensors")
    with pytest.raises(ConfigError, match=r"(?s)timm: folder .* cannot be used: .*conv1\.weight"):
        REGISTRY.build("timm", {"folder": str(broken)}).extract(IMAGES)
