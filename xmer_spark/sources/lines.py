"""The lines of a text file, whatever its encoding and its line ends are."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

from xmer_spark.errors import ConfigError
from xmer_spark.files import Place

#: Bytes that tell how lines end, and those that tell the encoding.
_SEEN, _FIRST = 1 << 20, 16
#: How files begin that are not text, and what they are.
_OTHERS = {
    b"\x1f\x8b": "compressed by gzip",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"PK\x03\x04": "a ZIP archive or a workbook",
    b"\xd0\xcf\x11\xe0": "a workbook of an old spreadsheet",
    b"PAR1": "a Parquet file",
}
#: Stands for what cannot be decoded where that is no single byte: a lone surrogate, as for bytes.
_DAMAGED = "\udcff"


def lines(path: Place) -> Iterator[str]:
    """The lines of a file with their ends, which are line feeds or, where there are none, carriage returns.

    UTF-16 and UTF-32 are known by their byte order mark, or by the zero bytes of the first signs; all else
    is read as UTF-8. What cannot be decoded becomes lone surrogates. A ConfigError names a file that is no
    text.
    """
    with path.open("rb") as file:
        start = file.read(_SEEN)
        file.seek(0)
        encoding = encoding_of(start)
        wide = not encoding.startswith("utf-8")
        seen = start.decode(encoding, "replace") if wide else start.decode("latin-1")
        _check_is_text(path, start)
        ends = "\r" if "\r" in seen.rstrip("\r") and "\n" not in seen else "\n"
        errors = "replace" if wide else "surrogateescape"
        for line in io.TextIOWrapper(file, encoding, errors, newline=ends):
            yield line.replace("\ufffd", _DAMAGED) if wide else line


def encoding_of(start: bytes) -> str:
    """The encoding of a text by how it begins.

    >>> [encoding_of("sku".encode(name)) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-16-be")]
    ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-be']
    """
    first = start[:_FIRST]
    found = json.detect_encoding(start[:4])
    guessed = found.endswith(("-le", "-be"))  # by zero bytes, of which there are then more than a stray one
    return "utf-8" if guessed and 5 * first.count(0) < 2 * len(first) else found


def _check_is_text(path: Place, start: bytes) -> None:
    for beginning, what in _OTHERS.items():
        if start.startswith(beginning):
            raise ConfigError(f"{path} is no text but {what}; unpack it, or export it as text in UTF-8")
