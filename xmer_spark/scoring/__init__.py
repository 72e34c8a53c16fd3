"""Candidate pairs -> calibrated probability that the two describe one thing, with its evidence."""

from xmer_spark.method import Registry

REGISTRY = Registry("scoring", {"logistic": "xmer_spark.scoring.scorer:PairScorer"})

#: Scorers of the evidence that comparisons give.
SCORERS = Registry(
    "scoring",
    {
        "fellegi_sunter": "xmer_spark.scoring.fellegi_sunter:FellegiSunter",
        "boosted": "xmer_spark.scoring.boosted:Boosted",
    },
)
