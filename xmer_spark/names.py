"""The names of what is compared and measured: built here, taken apart here, and nowhere else.

A pair of modalities is ``image-text``, whichever comes first; two sources in their order are
``google/twitter``; and a metric is ``measure/about``, such as ``pair_f1/image-text`` or
``recall_at_10/google/twitter``. No name of a source or modality holds a slash, and none of a modality a
hyphen, so every name can be taken apart again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")

#: What a metric over all items, modalities and sources is about.
ALL = "all"
_RECALL = "recall_at_"


def pair_name(a: str, b: str) -> str:
    """The name of a pair of modalities, whichever comes first.

    >>> pair_name("text", "image")
    'image-text'
    """
    return "-".join(sorted((a, b)))


def modalities_of(pair: str) -> tuple[str, str]:
    """The two modalities of a pair, in alphabetical order.

    >>> modalities_of("image-text")
    ('image', 'text')
    """
    a, b = pair.split("-")
    return a, b


def direction_name(first: str, second: str) -> str:
    """The name of two sources, or two modalities, in their order: query and gallery, or left and right.

    >>> direction_name("google", "a_to_b")
    'google/a_to_b'
    """
    return f"{first}/{second}"


def direction_of(name: str) -> tuple[str, str]:
    """The two sides of a direction, in their order.

    >>> direction_of("google/a_to_b")
    ('google', 'a_to_b')
    """
    first, second = name.split("/")
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
