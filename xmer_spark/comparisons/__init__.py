"""Two records -> evidence: how alike the values of one field, or of two, are, by their types.

Every measure is from 0 to 1, greater where two values are more alike, and NaN where either is missing.
"""

from xmer_spark.method import Registry

REGISTRY = Registry(
    "comparisons",
    {
        "text": "xmer_spark.comparisons.text:TextComparison",
        "number": "xmer_spark.comparisons.number:NumberComparison",
        "date": "xmer_spark.comparisons.date:DateComparison",
        "category": "xmer_spark.comparisons.category:CategoryComparison",
        "identifier": "xmer_spark.comparisons.identifier:IdentifierComparison",
        "set": "xmer_spark.comparisons.sets:SetComparison",
        "place": "xmer_spark.comparisons.place:PlaceComparison",
    },
)

#: The comparison of two values of a field's type.
BY_TYPE = {
    "text": "text",
    "name": "text",
    "number": "number",
    "date": "date",
    "category": "category",
    "identifier": "identifier",
    "set": "set",
    "reference": "set",
    "place": "place",
}
