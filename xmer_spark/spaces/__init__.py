"""Vectors of several modalities -> one common space in which cosine is the similarity."""

from xmer_spark.methods import Registry

REGISTRY = Registry(
    "spaces",
    {
        "acmr": "xmer_spark.spaces.acmr:ACMR",
        "cca": "xmer_spark.spaces.cca:CCA",
        "cdpae": "xmer_spark.spaces.cdpae:CDPAE",
        "cmcp": "xmer_spark.spaces.cmcp:CMCP",
        "hsnn": "xmer_spark.spaces.hsnn:HSNN",
        "jfssl": "xmer_spark.spaces.jfssl:JFSSL",
        "jrl": "xmer_spark.spaces.jrl:JRL",
        "kcca": "xmer_spark.spaces.kcca:KernelCCA",
        "pretrained": "xmer_spark.spaces.pretrained:Pretrained",
        "semantic_matching": "xmer_spark.spaces.semantic_matching:SemanticMatching",
    },
)

#: What brings the joined outputs of a modality's extractors to one scale, ahead of any space.
PREPARATION = Registry("spaces", {"blocks": "xmer_spark.spaces.blocks:Blocks"})
