"""A few records that came, changed or left against all others: candidate pairs brought up to date."""
