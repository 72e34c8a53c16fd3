"""Vectors of several modalities -> one common space in which cosine is the similarity."""

from xmer_spark.methods import Registry

REGISTRY = Registry(
    "spaces",
    {
        "blocks": "xmer_spark.spaces.blocks:Blocks",
        "cca": "xmer_spark.spaces.cca:CCA",
    },
)
