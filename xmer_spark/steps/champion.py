"""The registered resolver that is in force: what must be extracted for it, and where it lies."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xmer_spark.errors import XmerError
from xmer_spark.resolver.model import load_extractors, read_document

if TYPE_CHECKING:
    from xmer_spark.resolver.registry import Registry

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Champion:
    """A version of the registered model, the folder of its resolver, and its extractors by modality."""

    version: str
    folder: Path
    extractors: Mapping[str, Sequence[str]]

    @property
    def identities(self) -> list[str]:
        return sorted(identity for each in self.extractors.values() for identity in each)

    def load_extractors(self) -> list[Any]:
        """Its extractors with the state that they were fitted to, whatever they would be fitted to today."""
        return [extractor for each in load_extractors(self.folder).values() for extractor in each]


def find(registry: Registry) -> Champion | None:
    """The champion; None where there is none, or, with a warning, where this version cannot read it."""
    version = registry.champion()
    if version is None:
        return None
    folder = registry.download(version)
    try:
        return Champion(version, folder, read_document(folder)["extractors"])
    except XmerError as error:
        log.warning("champion %s cannot be read, and the next model replaces it: %s", version, error)
        return None


def asked(champion: Champion | None, last: Mapping[str, Any] | None) -> list[str]:
    """The champion's extractors that an extraction must be asked for, given the facts of the last one.

    Whatever an extraction runs on, it covers the champion of its day. So only a champion that has come from
    elsewhere since is asked for by name; as long as it is covered, the answer stays the same, and a repeated
    extraction has nothing to do.

    >>> asked(None, None)
    []
    """
    before = last or {}
    if champion is None or set(before.get("covered", ())) >= set(champion.identities):
        return list(before.get("asked", ()))
    return champion.identities
