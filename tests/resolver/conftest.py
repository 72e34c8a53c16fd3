"""One small resolver, which the tests of this folder save, register and load."""

from __future__ import annotations

import pytest

from tests.resolver.small import Small, small


@pytest.fixture(scope="package")
def fitted() -> Small:
    return small()
