"""The Wikipedia set, where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spaces.known import Wikipedia


@pytest.fixture(scope="session")
def wikipedia(shared_data: Path) -> Wikipedia:
    return Wikipedia.read(shared_data / "wikipedia")
