"""The state's own words: the only place with MeMo names."""
