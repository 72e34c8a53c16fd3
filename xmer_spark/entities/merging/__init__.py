"""What the records of an entity say -> its values."""
