"""Is this a text, and in which form is it kept?"""

from __future__ import annotations

import unicodedata

from xmer_spark.sources.records import Refusal


def read_text(content: bytes) -> str:
    """UTF-8, without a byte order mark, in Unicode's normal form C.

    >>> read_text("re\u0301sume\u0301".encode()) == "r\u00e9sum\u00e9"
    True
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        detail = f"byte {content[error.start]:#04x} at {error.start} is not UTF-8 ({error.reason})"
        raise Refusal("not_utf8", detail, len(content)) from None
    if not text.strip():
        raise Refusal("empty_text", "there is nothing but white space", len(content))
    return unicodedata.normalize("NFC", text)
