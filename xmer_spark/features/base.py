"""What all extractors share: one content in, one vector out, under a name that says how."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.method import Method
from xmer_spark.schema import Modality

#: The column of items that an extractor reads.
Content = Literal["image", "text", "vector"]


class Extractor(Method):
    """Turns contents of one modality into vectors, in three steps that the stage can overlap.

    ``read`` (decoding, shared by the extractors of one content) and ``prepare`` (resizing and the
    like) see one item and run in threads, ahead of ``extract_prepared``, which sees a block of items.
    """

    name: ClassVar[str]
    #: Raised when the same parameters and state give other vectors than before.
    version: ClassVar[int] = 1
    content: Content
    modality: Modality
    #: Batches that are worth handing over at once: more than one where sorting them by length pays.
    lookahead: ClassVar[int] = 1
    #: Whether ``fit`` also takes ``labels``: the classes of the training items, None where unknown.
    supervised: ClassVar[bool] = False
    #: Parameters that say where something lies, not what it is: no part of the identity.
    places: ClassVar[frozenset[str]] = frozenset()

    #: Where and how it runs: set by the stage, no part of what the vectors mean.
    device: str = "cpu"
    batch_size: int = 64
    threads: int = 1

    def fit(self, batch: Sequence[Any]) -> Self:
        """Learn the state, if any, from the contents of training items."""
        return self

    def training_items(self, available: int) -> int:
        """How many of so many training items ``fit`` makes use of: no more need to be handed to it."""
        return available

    def fitted(self, attribute: str) -> Any:
        """A fitted attribute; an XmerError where ``fit`` has not been called."""
        if not hasattr(self, attribute):
            raise XmerError(f"features.{self.name}: not fitted; fit it on training items before extracting")
        return getattr(self, attribute)

    def read(self, content: Any) -> Any:
        """One content as the extractors of this kind share it; ValueError or OSError where it is broken."""
        return content

    def prepare(self, value: Any) -> Any:
        """One value of ``read``, made ready for ``extract_prepared``."""
        return value

    @abstractmethod
    def extract_prepared(self, prepared: Sequence[Any]) -> np.ndarray:
        """n prepared contents -> (n, d) float32."""

    def extract(self, batch: Sequence[Any]) -> np.ndarray:
        """n contents (encoded images, texts or vectors) -> (n, d) float32."""
        return self.extract_prepared([self.prepare(self.read(content)) for content in batch])

    def identity(self) -> str:
        """``<name>-v<version>-<hash of parameters and fitted state>``: one name, one meaning."""
        digest = hashlib.sha256()
        parameters = {k: v for k, v in self.parameters().items() if k not in self.places}
        _update(digest, {"parameters": parameters, "state": self.state()})
        return f"{self.name}-v{self.version}-{digest.hexdigest()[:12]}"


class LocalModel(Extractor):
    """An extractor around a pretrained model in a local folder, whose weights are safetensors.

    Its one state, ``files_``, is the hash of the model's files: the same model has one identity wherever
    it lies, and a worker that finds other files at that place refuses them. ``package`` is the optional
    package that it takes to load the model. Nothing is fetched, and no code in the folder is run.
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
        return Path(self.folder)

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

    def _hash_files(self) -> str:
        if importlib.util.find_spec(self.package) is None:
            wanted = self.package.replace("_", "-")
            raise ConfigError(f"features.{self.name}: needs the optional package {wanted}; install it")
        if not self.folder or not Path(self.folder).is_dir():
            raise self.unusable("there is no such folder; it must hold the model on every worker")
        files = sorted(p for p in Path(self.folder).rglob("*") if p.is_file() and p.suffix in _MODEL_FILES)
        if not any(p.suffix == ".safetensors" for p in files):
            raise self.unusable("it holds no weights (*.safetensors)")
        digest = hashlib.sha256()
        for path in files:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.relative_to(self.folder).as_posix()} {content}\n".encode())
        return digest.hexdigest()


#: What a model consists of: weights, settings, vocabularies. Notes and other formats do not count.
_MODEL_FILES = {".safetensors", ".json", ".txt", ".model"}


@contextmanager
def one_thread() -> Iterator[None]:
    """Numerical libraries on one thread: sums in one order, so that fitting gives the same on any machine."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def _update(digest: Any, value: Any) -> None:
    """Hash a nested value; lists and tuples count as the same, for JSON knows only one of them."""
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    elif isinstance(value, dict):
        for key in sorted(value):
            digest.update(f"{key}:".encode())
            _update(digest, value[key])
    else:
        digest.update(json.dumps(value, default=_plain).encode() + b";")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"an extractor's parameters and state must be arrays or JSON values, not {type(value)}")
