"""The evidence of candidate pairs -> calibrated probability that the two describe one thing."""

from xmer_spark.method import Registry

REGISTRY = Registry(
    "scoring",
    {
        "boosted": "xmer_spark.scoring.boosted:Boosted",
        "fellegi_sunter": "xmer_spark.scoring.fellegi_sunter:FellegiSunter",
        "logistic": "xmer_spark.scoring.logistic:Logistic",
    },
)
