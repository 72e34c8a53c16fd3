"""Is this a text, and in which form is it kept?"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import pyarrow as pa

from xmer_spark.sources.lines import encoding_of
from xmer_spark.sources.records import Refusal
from xmer_spark.sources.strings import is_marker, tidied


def read_text(content: bytes, null_values: Sequence[str] = ()) -> str:
    """A text in any encoding of Unicode, without a byte order mark, in Unicode's normal form C.

    It is refused where there is nothing to be seen in it, or one of ``null_values`` alone.

    >>> read_text("re\u0301sume\u0301".encode()) == "r\u00e9sum\u00e9"
    True
    """
    encoding = encoding_of(content)
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        detail = (
            f"byte {content[error.start]:#04x} at {error.start} is not {encoding.upper()} ({error.reason})"
        )
        raise Refusal("not_utf8", detail, len(content)) from None
    seen = tidied(pa.array([text], pa.string()))
    if not seen[0].as_py():
        raise Refusal("empty_text", "there is nothing to be seen in it", len(content))
    if is_marker(seen, null_values)[0].as_py():
        raise Refusal("empty_text", f"there is nothing but {seen[0].as_py()!r}, a null marker", len(content))
    return unicodedata.normalize("NFC", text)
