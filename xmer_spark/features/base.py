"""What all extractors share: one content in, one vector out, under a name that says how."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.method import Method
from xmer_spark.numerics.threads import one_thread
from xmer_spark.schema import Modality

#: The column of items that an extractor reads.
Content = Literal["image", "text", "vector"]


class Extractor(Method):
    """Turns contents of one modality into vectors, in three steps that the stage can overlap.

    ``read`` (decoding, shared by the extractors of one content) and ``prepare`` (resizing and the
    like) see one item and run in threads, ahead of ``extract_prepared``, which sees a block of items.

    A method writes ``_extract`` and, where it learns from training items, ``_fit``. Both run on one thread,
    so that what they give is the same on any machine's number of cores; in a run, Spark's tasks give the
    parallelism. A vector depends on the fitted extractor and its item alone.
    """

    name: ClassVar[str]
    #: Raised when the same parameters and state give other vectors than before.
    version: ClassVar[int] = 1
    modality: Modality
    #: Batches that are worth handing over at once: more than one where sorting them by length pays.
    lookahead: ClassVar[int] = 1
    #: Whether ``fit`` makes use of labels.
    supervised: ClassVar[bool] = False
    #: Parameters that say where something lies, not what it is: no part of the identity.
    places: ClassVar[frozenset[str]] = frozenset()

    #: Where and how it runs: set by the stage, no part of what the vectors mean.
    device: str = "cpu"
    batch_size: int = 64

    @property
    @abstractmethod
    def content(self) -> Content:
        """The column of items that it reads."""

    @property
    def learns(self) -> bool:
        """Whether it has state, which is to be fitted first."""
        return type(self)._fit is not Extractor._fit

    def fit(self, batch: Sequence[Any], labels: Sequence[str | None] | None = None) -> Self:
        """Learn the state, if any, from the contents of training items.

        ``labels`` are their classes, None where unknown; only one that is ``supervised`` makes use of them.
        """
        with self.fitting():
            self._fit(batch, labels)
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

    def extract_prepared(self, prepared: Sequence[Any]) -> np.ndarray:
        """n prepared contents -> (n, d) float32."""
        with one_thread():
            return self._extract(prepared)

    def extract(self, batch: Sequence[Any]) -> np.ndarray:
        """n contents (encoded images, texts or vectors) -> (n, d) float32."""
        return self.extract_prepared([self.prepare(self.read(content)) for content in batch])

    def _fit(self, batch: Sequence[Any], labels: Sequence[str | None] | None) -> None:
        """Keep what is learnt, under names that end in an underscore."""

    @abstractmethod
    def _extract(self, prepared: Sequence[Any]) -> np.ndarray:
        """``extract_prepared``, on one thread."""

    def identity(self) -> str:
        """``<name>-v<version>-<hash of parameters and fitted state>``: one name, one meaning."""
        digest = hashlib.sha256()
        parameters = {k: v for k, v in self.parameters().items() if k not in self.places}
        _update(digest, {"parameters": parameters, "state": self.state()})
        return f"{self.name}-v{self.version}-{digest.hexdigest()[:12]}"


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
