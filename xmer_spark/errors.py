"""The errors that a user can do something about: what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable


class XmerError(Exception):
    """Something is wrong that the message explains; shown without a traceback."""


class ConfigError(XmerError):
    """The configuration is wrong; the message names the key and what is allowed."""


class SetupError(XmerError):
    """The machine lacks something; the message says what to install."""


class AuditError(XmerError):
    """A result broke an invariant, so it was not published; the old publication stays in force."""


def listed(names: Iterable[str]) -> str:
    """The first names, and how many there are beside them.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    found = list(names)
    more = f" and {len(found) - 3:,} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more
