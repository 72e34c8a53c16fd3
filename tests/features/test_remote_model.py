"""Models in a folder at a URL: copied once, and the same as on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from tests.features.small_models import save_timm
from tests.pictures import noise
from xmer_spark.errors import ConfigError
from xmer_spark.features import REGISTRY

pytest.importorskip("timm", reason="timm is optional")

IMAGES = [noise(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = save_timm(tmp_path_factory.mktemp("timm"))
    (place / "pytorch_model.bin").write_bytes(b"of a format that is not read")
    return place


@pytest.fixture(scope="module", params=["memory", "file"])
def url(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"file://{folder}"
        return
    memory = fsspec.filesystem("memory")
    memory.put(f"{folder}/", "/models/timm", recursive=True)
    yield "memory://models/timm"
    memory.rm("/models", recursive=True)


def test_a_model_at_a_url_has_the_identity_and_the_vectors_of_the_same_one_on_the_disk(
    url: str, folder: Path
) -> None:
    local = REGISTRY.build("timm", {"folder": str(folder), "pixels": 96})
    remote = REGISTRY.build("timm", {"folder": url, "pixels": 96})
    assert remote.identity() == local.identity()
    np.testing.assert_array_equal(remote.extract(IMAGES), local.extract(IMAGES))


def test_a_process_copies_only_the_models_files_and_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(f"{folder}/", "/once", recursive=True)
    monkeypatch.setenv("SPARK_LOCAL_DIRS", f"{tmp_path}/spark,{tmp_path}/other")
    extractor = REGISTRY.build("timm", {"folder": "memory://once", "pixels": 96})
    copy = extractor.checked_folder()
    assert copy.is_relative_to(tmp_path / "spark")
    assert sorted(path.name for path in copy.iterdir()) == ["config.json", "model.safetensors"]
    memory.rm("/once", recursive=True)
    assert extractor.extract(IMAGES).shape[0] == 3
    assert REGISTRY.build("timm", {"folder": "memory://once"}).checked_folder() == copy


def test_a_url_without_a_model_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match=r"'memory://none' cannot be used: it holds no weights"):
        REGISTRY.build("timm", {"folder": "memory://none"}).identity()
