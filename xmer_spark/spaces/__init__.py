"""Vectors of several modalities -> one common space in which cosine is the similarity."""

from xmer_spark.method import Registry

REGISTRY = Registry(
    "spaces",
    {
        "acmr": "xmer_spark.spaces.deep.acmr:ACMR",
        "cca": "xmer_spark.spaces.linear.cca:CCA",
        "cdpae": "xmer_spark.spaces.deep.cdpae:CDPAE",
        "cmcp": "xmer_spark.spaces.graph.cmcp:CMCP",
        "ensemble": "xmer_spark.spaces.ensemble:Ensemble",
        "hsnn": "xmer_spark.spaces.posterior.hsnn:HSNN",
        "jfssl": "xmer_spark.spaces.linear.jfssl:JFSSL",
        "jrl": "xmer_spark.spaces.graph.jrl:JRL",
        "kcca": "xmer_spark.spaces.kernel.kcca:KernelCCA",
        "pretrained": "xmer_spark.spaces.pretrained:Pretrained",
        "regression": "xmer_spark.spaces.kernel.regression:KernelRegression",
        "separate": "xmer_spark.spaces.separate:Separate",
        "semantic_matching": "xmer_spark.spaces.posterior.semantic_matching:SemanticMatching",
    },
)

#: What brings the joined outputs of a modality's extractors to one scale, ahead of any space.
PREPARATION = Registry("spaces", {"blocks": "xmer_spark.spaces.blocks:Blocks"})
