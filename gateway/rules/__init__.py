"""Ordered rules over facts; explained, total, deterministic."""
