"""Sentence encoders from the local disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.features.small_models import save_sentence
from xmer_spark.errors import ConfigError
from xmer_spark.features import REGISTRY

pytest.importorskip("sentence_transformers", reason="sentence-transformers is optional")

TEXTS = ["a red bicycle leans on a wall", "cat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sentence(tmp_path_factory.mktemp("sentence"))


def test_vectors_are_those_of_the_model_and_survive_saving(folder: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    extractor = REGISTRY.build("sentence", {"folder": str(folder)})
    vectors = extractor.extract(TEXTS)
    expected = SentenceTransformer(str(folder), device="cpu", local_files_only=True).encode(TEXTS)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert vectors.dtype == np.float32
    extractor.save(tmp_path)
    np.testing.assert_array_equal(REGISTRY.load(tmp_path).extract(TEXTS), vectors)


def test_the_identity_follows_the_model_and_not_its_place(folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(folder, tmp_path / "moved")
    (moved / "README.md").write_text("a note is no part of the model")
    one = REGISTRY.build("sentence", {"folder": str(folder)})
    assert REGISTRY.build("sentence", {"folder": str(moved)}).identity() == one.identity()
    assert (
        REGISTRY.build("sentence", {"folder": str(moved), "prompt": "query: "}).identity() != one.identity()
    )
    config = moved / "config_sentence_transformers.json"
    config.write_text(config.read_text() + "\n")
    assert REGISTRY.build("sentence", {"folder": str(moved)}).identity() != one.identity()


def test_a_worker_that_holds_another_model_refuses_it(folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(folder, tmp_path / "moved")
    extractor = REGISTRY.build("sentence", {"folder": str(moved)})
    extractor.save(tmp_path / "saved")
    (moved / "config.json").write_text((folder / "config.json").read_text() + " ")
    with pytest.raises(ConfigError, match="another model than where the extraction was started"):
        REGISTRY.load(tmp_path / "saved").extract(TEXTS)


def test_a_folder_that_is_none_or_broken_is_refused_in_words(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sentence: folder '' cannot be used: there is no such folder"):
        REGISTRY.build("sentence").identity()
    with pytest.raises(ConfigError, match="no weights"):
        REGISTRY.build("sentence", {"folder": str(tmp_path)}).identity()
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ConfigError, match="cannot be used: "):
        REGISTRY.build("sentence", {"folder": str(broken)}).extract(TEXTS)


def test_without_the_optional_package_the_message_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs the optional package sentence-transformers; install it"):
        REGISTRY.build("sentence", {"folder": str(folder)}).identity()
