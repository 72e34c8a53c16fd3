"""Vectors of several modalities -> one common space in which cosine is the similarity."""

from xmer_spark.methods import Registry

REGISTRY = Registry(
    "spaces",
    {
        "cca": "xmer_spark.spaces.cca:CCA",
        "kcca": "xmer_spark.spaces.kcca:KernelCCA",
    },
)

#: What brings the joined outputs of a modality's extractors to one scale, ahead of any space.
PREPARATION = Registry("spaces", {"blocks": "xmer_spark.spaces.blocks:Blocks"})
