"""A Digital Post to try against."""
