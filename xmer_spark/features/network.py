"""What extractors around a neural network share: loading once, and batches of one fixed shape."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from xmer_spark.features.base import Extractor
from xmer_spark.numerics.rows import fixed_blocks

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

#: Items that a network sees at a time on a CPU: it takes no longer per item than of 64.
CPU_BATCH = 16
#: Tokens by whose multiples texts are padded.
_TOKENS = 8


class NetworkExtractor(Extractor):
    """An extractor around a network, which sees batches of one fixed shape.

    With the shape of a batch the last bits of what a network gives for an item change. So every batch has
    ``CPU_BATCH`` items, ``batch_size`` on a GPU, the last one padded by an item that is repeated, and all
    of one length, which is found from the item alone. On one thread an item's vector then depends on that
    item only; on a GPU on ``batch_size`` and the kind of GPU too.
    """

    #: The device on which the network was loaded.
    _loaded_on: str | None = None

    @abstractmethod
    def _load(self) -> Any:
        """The network on the device, with whatever else it takes to run it."""

    def network(self) -> Any:
        """What ``_load`` gives, loaded at the first call."""
        if self._loaded_on != self.device:
            self._network, self._loaded_on = self._load(), self.device
        return self._network

    def in_batches(
        self,
        items: Sequence[T],
        encode: Callable[[list[T], int], torch.Tensor],
        lengths: Sequence[int] | None = None,
    ) -> np.ndarray:
        """(n, d) float32 from ``encode`` of batches, each of items of one of the ``lengths`` if any."""
        import torch

        length_of = np.zeros(len(items), np.int64) if lengths is None else np.asarray(lengths)
        size = self.batch_size if self.device.startswith("cuda") else CPU_BATCH
        places, parts = [], []
        with torch.inference_mode():
            for length in np.unique(length_of).tolist():
                members = np.flatnonzero(length_of == length)
                for rows in fixed_blocks(len(members), size):
                    places.append(members[rows])
                    parts.append(encode([items[i] for i in members[rows]], length).float())
            found = torch.cat(parts).cpu().numpy()
        vectors = np.empty((len(items), found.shape[1]), np.float32)
        vectors[np.concatenate(places)] = found
        return vectors


def padded_length(tokens: int, most: int) -> int:
    """The length to which a text of so many tokens is padded, whatever texts it comes with.

    >>> padded_length(9, most=77), padded_length(75, most=77)
    (16, 77)
    """
    return min(-(-tokens // _TOKENS) * _TOKENS, most)
