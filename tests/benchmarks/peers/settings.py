"""What both systems are given alike; imports nothing, for they run in environments of their own."""

SOURCES = ("a", "b")
#: Rows are candidates that agree in every field of one of these.
RULES = (("mail",), ("given", "surname"), ("surname", "town"), ("given", "street"))
THREADS = 2
#: Pairs that are less probable are not kept.
REVIEW = 0.01
#: The least probability of a link: between the best of each other, and where one is followed by another.
BEST_LINK, COMPONENTS = 0.5, 0.95
