"""Rule sets as versions, the facts of each decision, pauses of rules, lanes on the way out, and mails that
rules want.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.storage.columns import Counter, Json, Utc, Words

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DUE = "due_at IS NOT NULL"
_ACTIVE = "state = 'active'"
_PAUSED = "resumed_at IS NULL"


def upgrade() -> None:
    op.create_table(
        "rule_versions",
        sa.Column("version", sa.String(length=12), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("files", Json(), nullable=False),
        sa.Column("made_at", Utc(), nullable=False),
        sa.Column("author", Words(), nullable=False),
        sa.Column("note", Words(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_rule_versions")),
        sa.UniqueConstraint("number", name=op.f("uq_rule_versions_number")),
    )
    op.create_table(
        "rule_activations",
        sa.Column("id", Counter, nullable=False),
        sa.Column("version", sa.String(length=12), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("author", Words(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("approver", Words(), nullable=True),
        sa.Column("approved_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["version"], ["rule_versions.version"], name=op.f("fk_rule_activations_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_activations")),
    )
    op.create_index(
        "uq_rule_activations_active",
        "rule_activations",
        ["state"],
        unique=True,
        sqlite_where=sa.text(_ACTIVE),
        postgresql_where=sa.text(_ACTIVE),
    )
    op.create_table(
        "rule_days",
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("matches", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "day", name=op.f("pk_rule_days")),
    )
    op.create_table(
        "rule_pauses",
        sa.Column("id", Counter, nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("usual", sa.Integer(), nullable=False),
        sa.Column("resumed_at", Utc(), nullable=True),
        sa.Column("resumed_by", Words(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_pauses")),
    )
    op.create_index(
        "uq_rule_pauses_now",
        "rule_pauses",
        ["rule"],
        unique=True,
        sqlite_where=sa.text(_PAUSED),
        postgresql_where=sa.text(_PAUSED),
    )
    op.add_column("decisions", sa.Column("facts", Json(), nullable=True))
    op.add_column("decisions", sa.Column("shadow", Json(), nullable=True))
    op.create_index("ix_decisions_at", "decisions", ["at", "id"], unique=False)
    op.add_column("notices", sa.Column("about", Json(), nullable=True))
    op.add_column("shipments", sa.Column("lane", sa.Integer(), server_default="1", nullable=False))
    op.drop_index("ix_shipments_due", "shipments")
    op.create_index(
        "ix_shipments_due",
        "shipments",
        ["kind", "lane", "due_at"],
        unique=False,
        sqlite_where=sa.text(_DUE),
        postgresql_where=sa.text(_DUE),
    )
