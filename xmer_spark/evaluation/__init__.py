"""How good a result is: pure functions from arrays to measures, with their intervals."""
