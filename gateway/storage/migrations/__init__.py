"""Alembic's folder. Only expand, then contract in a later release: old and new nodes overlap."""
