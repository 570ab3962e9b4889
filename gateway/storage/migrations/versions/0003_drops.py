"""Drops of systems: their files, what they became, and the answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.storage.columns import Counter, Json, Utc, Words

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_DUE = "due_at IS NOT NULL"
_WAITING = "state IN ('waiting', 'temporary', 'standard', 'cut')"
_LIES = "lies"
_TAKEN = "state = 'taken'"
_UNWRITTEN = "NOT written"


def _partial(name: str, table: str, columns: list[str], only: str, *, unique: bool = False) -> None:
    where = sa.text(only)
    op.create_index(op.f(name), table, columns, unique=unique, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    op.create_table(
        "drops",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", Utc(), nullable=True),
        sa.Column("lease_until", Utc(), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("spent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("code", Words(), nullable=True),
        sa.Column("refusal", Json(), nullable=True),
        sa.Column("trace", Words(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("account", Words(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("area", sa.String(length=8), nullable=False),
        sa.Column("folder", Words(), nullable=False),
        sa.Column("base", Words(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("trial", sa.Boolean(), nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("documents", Json(), nullable=False),
        sa.Column("faults", Json(), nullable=False),
        sa.Column("notes", Json(), nullable=False),
        sa.Column("tried", Json(), nullable=True),
        sa.Column("answered", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drops")),
        sa.UniqueConstraint("account", "base", name=op.f("uq_drops_account_base")),
    )
    _partial("ix_drops_due", "drops", ["due_at"], _DUE)
    op.create_index(op.f("ix_drops_received_at"), "drops", ["account", "received_at"])
    op.create_table(
        "drop_files",
        sa.Column("id", Counter, nullable=False),
        sa.Column("account", Words(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("area", sa.String(length=8), nullable=False),
        sa.Column("folder", Words(), nullable=False),
        sa.Column("name", Words(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("how", sa.String(length=8), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("drop_id", sa.String(length=32), nullable=True),
        sa.Column("note", Words(), nullable=False),
        sa.Column("mark", sa.String(length=200), nullable=False),
        sa.Column("lies", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["drop_id"], ["drops.id"], name=op.f("fk_drop_files_drop_id_drops")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drop_files")),
    )
    op.create_index(op.f("ix_drop_files_drop_id"), "drop_files", ["drop_id"])
    _partial("ix_drop_files_waiting", "drop_files", ["account", "area", "folder", "name"], _WAITING)
    _partial("ix_drop_files_taken", "drop_files", ["account", "at"], _TAKEN)
    op.create_index(op.f("ix_drop_files_name"), "drop_files", ["account", "name"])
    _partial("uq_drop_files_lies", "drop_files", ["account", "mark"], _LIES, unique=True)
    op.create_table(
        "drop_items",
        sa.Column("drop_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("submission_id", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reference", Words(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["drop_id"], ["drops.id"], name=op.f("fk_drop_items_drop_id_drops")),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name=op.f("fk_drop_items_submission_id_submissions")),
        sa.PrimaryKeyConstraint("drop_id", "number", name=op.f("pk_drop_items")),
    )
    op.create_index(op.f("ix_drop_items_submission_id"), "drop_items", ["submission_id"])
    op.create_table(
        "drop_answers",
        sa.Column("id", Counter, nullable=False),
        sa.Column("drop_id", sa.String(length=32), nullable=True),
        sa.Column("account", Words(), nullable=False),
        sa.Column("name", Words(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("made_at", Utc(), nullable=False),
        sa.Column("written", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["drop_id"], ["drops.id"], name=op.f("fk_drop_answers_drop_id_drops")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drop_answers")),
        sa.UniqueConstraint("account", "name", name=op.f("uq_drop_answers_account_name")),
    )
    op.create_index(op.f("ix_drop_answers_drop_id"), "drop_answers", ["drop_id"])
    _partial("ix_drop_answers_unwritten", "drop_answers", ["account"], _UNWRITTEN)
    op.create_index(op.f("ix_drop_answers_made_at"), "drop_answers", ["account", "made_at"])
    op.create_table(
        "drop_places",
        sa.Column("account", Words(), nullable=False),
        sa.Column("sentinel", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_drop_places")),
    )

