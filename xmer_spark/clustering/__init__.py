"""Match probabilities -> clusters."""

from collections.abc import Mapping
from typing import Any

from xmer_spark.method import Registry

REGISTRY = Registry(
    "clustering",
    {
        "components": "xmer_spark.clustering.components:Components",
        "one_per_source": "xmer_spark.clustering.one_per_source:OnePerSource",
        "average_linkage": "xmer_spark.clustering.average_linkage:AverageLinkage",
        "correlation": "xmer_spark.clustering.correlation:Correlation",
    },
)


def built(method: str, parameters: Mapping[str, Mapping[str, Any]], once: bool) -> Any:
    """A clusterer by its name and the parameters under that name; ``auto`` is the one that usually serves.

    ``once``: some source names each thing at most once.

    >>> type(built("auto", {}, once=True)).__name__, type(built("auto", {}, once=False)).__name__
    ('OnePerSource', 'AverageLinkage')
    """
    if method == "auto":
        method = "one_per_source" if once else "average_linkage"
    return REGISTRY.build(method, parameters.get(method))
