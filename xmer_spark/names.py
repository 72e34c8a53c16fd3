"""The names of what is compared and measured: built here, taken apart here, and nowhere else.

The kind of a record is ``image``, ``text``, ``image+text``, or ``row`` where it has no item. A pair of kinds
is ``image-text``, whichever comes first; two sources in their order are ``google/twitter``, or two fields
``wiki#photo/wiki#article``; and a metric is ``measure/about``, such as ``pair_f1/image-text`` or
``recall_at_10/google/twitter``. No name of a source, field or kind holds a slash or ``#``, and none of a kind
a hyphen, so every name can be taken apart again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")

#: What a metric over all records, kinds and sources is about.
ALL = "all"
#: The kind of a record without any item.
ROW = "row"
#: Between the modalities of a kind.
AND = "+"
_RECALL = "recall_at_"
_BY_ITSELF = "_by_itself"
#: What is compared where all that two records say is taken as one text: no field can be called so.
WHOLE = "(record)"
#: Measures of evidence as people say them; others are their own words.
_IN_WORDS = {
    "cosine": "nearness in the common space",
    "csls": "nearness beside that of neighbours",
    "posterior_agreement": "agreement on the class",
    "hamming": "bits of the codes that differ",
    "jaro_winkler": "similar letters",
    "token_set": "words in common",
    "word_cosine": "words in common, by rarity",
    "ngram_cosine": "groups of letters in common",
    "codes": "numbers and codes in common",
    "rarest_shared": "rarity of the rarest common word",
    "lengths": "similar lengths",
    "edit": "similar spelling",
    "rarity": "rarity of the common value",
    "relative": "relative nearness",
    "near": "nearness",
    "jaccard": "members in common",
    "contained": "share of the smaller set in the larger",
    "soft_jaccard": "similar members in common",
}


def kind_name(modalities: Iterable[str]) -> str:
    """The kind of a record that has items of these modalities.

    >>> kind_name(["text", "image", "text"]), kind_name([])
    ('image+text', 'row')
    """
    return AND.join(sorted(set(modalities))) or ROW


def mix_name(kinds: Iterable[str]) -> str:
    """The kinds of records that an entity holds, each once.

    >>> mix_name(["text", "row", "image", "row"])
    'image-row-text'
    """
    return "-".join(sorted(set(kinds)))


def pair_name(a: str, b: str) -> str:
    """The name of a pair of kinds, whichever comes first.

    >>> pair_name("text", "image")
    'image-text'
    """
    return "-".join(sorted((a, b)))


def kinds_of(name: str) -> tuple[str, ...]:
    """The kinds of a pair or a mix, in alphabetical order.

    >>> kinds_of("image+text-row")
    ('image+text', 'row')
    """
    return tuple(name.split("-"))


def side_name(source: str, field: str) -> str:
    """The name of one field of a source, where it is ranked by itself.

    >>> side_name("wiki", "photo")
    'wiki#photo'
    """
    return f"{source}#{field}"


def side_of(name: str) -> tuple[str, str | None]:
    """The source of a side, and its field where it is one.

    >>> side_of("wiki#photo"), side_of("wiki")
    (('wiki', 'photo'), ('wiki', None))
    """
    source, _, field = name.partition("#")
    return source, field or None


def direction_name(first: str, second: str) -> str:
    """The name of two sources, or two sides, in their order: query and gallery, or left and right.

    >>> direction_name("google", "a_to_b")
    'google/a_to_b'
    """
    return f"{first}/{second}"


def direction_of(name: str) -> tuple[str, str]:
    """The two sides of a direction, in their order.

    >>> direction_of("google/a_to_b")
    ('google', 'a_to_b')
    """
    first, _, second = name.partition("/")
    return first, second


def recall_at(k: int) -> str:
    """The measure Recall@K.

    >>> recall_at(10)
    'recall_at_10'
    """
    return f"{_RECALL}{k}"


def depth_of(measure: str) -> int | None:
    """The K of a measure Recall@K; None of any other measure.

    >>> depth_of("recall_at_10"), depth_of("map")
    (10, None)
    """
    return int(measure.removeprefix(_RECALL)) if measure.startswith(_RECALL) else None


def by_itself(measure: str) -> str:
    """The measure as it is of pairs by themselves, before they are weighed against their rivals.

    >>> by_itself("calibration_error")
    'calibration_error_by_itself'
    """
    return f"{measure}{_BY_ITSELF}"


def metric_name(measure: str, *about: str) -> str:
    """The name of a measure and what it is about: a pair, a direction, ``ALL``, and what tells it apart.

    >>> metric_name(recall_at(10), direction_name("google", "twitter"))
    'recall_at_10/google/twitter'
    """
    return "/".join((measure, *about))


def about(measure: str, metrics: Mapping[str, Value]) -> dict[str, Value]:
    """The metrics of one measure, by what they are about.

    >>> about("map", {"map/google/twitter": 0.9, "map_of_space/google/twitter": 0.8, "pair_f1/all": 0.4})
    {'google/twitter': 0.9}
    """
    start = f"{measure}/"
    return {name.removeprefix(start): value for name, value in metrics.items() if name.startswith(start)}


def evidence_of(name: str) -> tuple[str, str, str]:
    """The two fields that were compared, and the measure.

    >>> evidence_of("photo~title/cosine")
    ('photo', 'title', 'cosine')
    """
    fields, _, measure = name.rpartition("/")
    left, _, right = fields.partition("~")
    return left, right, measure


def evidence_in_words(values: Mapping[str, float | None]) -> dict[str, dict[str, float]]:
    """What is known of a pair as people say it: by what was compared, and by how; nothing of what is missing.

    >>> evidence_in_words({"photo~title/cosine": 0.25, "made~made/same_year": 1.0, "made~made/near": None})
    {'photo and title': {'nearness in the common space': 0.25}, 'made': {'same year': 1.0}}
    """
    found: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        if value is not None:
            left, right, measure = evidence_of(name)
            about = "the whole record" if left == WHOLE else left if left == right else f"{left} and {right}"
            how = _IN_WORDS.get(measure, measure.replace("_", " "))
            found.setdefault(about.replace("_", " "), {})[how] = value
    return found
