"""What all extractors share: one content in, one vector out, under a name that says how."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np

from xmer_spark.methods import Method
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
    content: ClassVar[Content]
    modality: Modality
    #: Batches that are worth handing over at once: more than one where sorting them by length pays.
    lookahead: ClassVar[int] = 1

    #: Where and how it runs: set by the stage, no part of what the vectors mean.
    device: str = "cpu"
    batch_size: int = 64
    threads: int = 1

    def fit(self, batch: Sequence[Any]) -> Self:
        """Learn the state, if any, from the contents of training items."""
        return self

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
        _update(digest, {"parameters": self.parameters(), "state": self.state()})
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
