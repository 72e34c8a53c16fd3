"""Clusters -> entities with stable ids, their members, and every change of them as an event."""
