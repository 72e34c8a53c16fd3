"""File patterns such as ``photos/{sku}.jpg``: filled in from columns, or read out of a path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter

import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.errors import ConfigError


def pieces(pattern: str) -> list[tuple[str, str | None]]:
    """The literal texts of a pattern, each with the name that follows it; None after the last.

    >>> pieces("photos/{sku}.jpg")
    [('photos/', 'sku'), ('.jpg', None)]
    """
    try:
        found = list(Formatter().parse(pattern))
    except ValueError as error:
        raise ConfigError(f"pattern {pattern}: {error}; braces stand around a column's name") from None
    if any(spec or conversion for _, _, spec, conversion in found):
        raise ConfigError(f"pattern {pattern}: only a column's name may stand in braces")
    return [(literal, name) for literal, name, _, _ in found]


def names(pattern: str) -> list[str]:
    """The names in a pattern, each once; the empty one for ``{}``."""
    return list(dict.fromkeys(name for _, name in pieces(pattern) if name is not None))


def filled(pattern: str, columns: Mapping[str, pa.Array], length: int) -> pa.Array:
    """The path of each row from the strings of its columns, by name; null where one of them is null.

    >>> filled("{a}/{b}.txt", {"a": pa.array(["x", "y"]), "b": pa.array(["1", None])}, 2).to_pylist()
    ['x/1.txt', None]
    """
    parts: list[pa.Array | pa.Scalar] = [pa.repeat(pa.scalar(""), length)]
    for literal, name in pieces(pattern):
        parts += [pa.scalar(literal)] + ([columns[name]] if name is not None else [])
    return pc.binary_join_element_wise(*parts, pa.scalar(""))


class PathPattern:
    """A pattern read the other way round: it takes the values of columns from a path.

    The key may span folders, other names stay within one; a name that comes twice has one value.
    """

    def __init__(self, pattern: str, key: str) -> None:
        expression, self.names = "", dict[str, int]()
        for literal, name in pieces(pattern):
            expression += re.escape(literal)
            if name is None:
                continue
            column = name or key
            if column in self.names:
                expression += f"(?:\\{self.names[column]})"
            else:
                self.names[column] = len(self.names) + 1
                expression += "(.+)" if column == key else "([^/]+)"
        self.expression = re.compile(expression, re.DOTALL)

    def read(self, path: str) -> dict[str, str] | None:
        """The values by column; None where the path does not follow the pattern.

        >>> PathPattern("{label}/{label}_{}.JPEG", "key").read("cat/cat_1.JPEG")
        {'label': 'cat', 'key': '1'}
        """
        found = self.expression.fullmatch(path)
        return {name: found[number] for name, number in self.names.items()} if found else None
