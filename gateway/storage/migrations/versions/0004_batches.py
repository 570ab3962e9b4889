"""Merged files: the plain file of each, whose its pages are, what its letters are cut from, and which shipments go
together in a container.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.storage.columns import Json, Utc

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("submission_id", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_size", sa.BigInteger(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("letters", sa.Integer(), nullable=False),
        sa.Column("uncertain", sa.Integer(), nullable=False),
        sa.Column("place", Json(), nullable=True),
        sa.Column("pieces", Json(), nullable=False),
        sa.Column("settled", Json(), nullable=False),
        sa.Column("made_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("pk_batches")),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name=op.f("fk_batches_submission_id")),
    )
    op.create_index(op.f("ix_batches_source"), "batches", ["source"])
    op.create_table(
        "cuts",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_size", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("pdfa", sa.String(length=4), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_cuts")),
    )
    op.add_column("shipments", sa.Column("mass", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.drop_index("ix_shipments_due", "shipments")
    op.create_index(
        "ix_shipments_due",
        "shipments",
        ["kind", "mass", "lane", "due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
