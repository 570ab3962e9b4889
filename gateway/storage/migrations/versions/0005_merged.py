"""Merged files are read in a lane of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("submissions", sa.Column("merged", sa.Boolean(), nullable=False, server_default=sa.text("false")))
