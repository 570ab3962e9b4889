"""Sidecars (følgefiler): files that say who a dropped document is to, and what is to be done with it.

One model (``model``), read from JSON, XML, YAML, CSV, KOMBIT's ``.trigger`` and Blanketmotor's form files
(``read``), paired with documents by name (``pairing``), and made into letters (``letters``). Nothing here
opens a file or knows how the bytes came. Conventions: sidecar.md, D2 to D5.
"""
