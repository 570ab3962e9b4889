"""The first tables; one step, and therefore one module although long.

Frozen: what a released migration does never changes. tests/contract/test_migrations.py compares what
all of them together make with ``storage.tables``.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.storage.columns import Counter, Json, Utc, Words

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_files",
        sa.Column("id", Counter, nullable=False),
        sa.Column("number", Words(), nullable=False),
        sa.Column("letter_id", sa.String(length=40), nullable=False),
        sa.Column("name", Words(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("put_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_files")),
        sa.UniqueConstraint(
            "number",
            "letter_id",
            "role",
            "name",
            "digest",
            name=op.f("uq_case_files_number_letter_id_role_name_digest"),
        ),
    )
    op.create_table(
        "cases",
        sa.Column("number", Words(), nullable=False),
        sa.Column("plan", Words(), nullable=True),
        sa.Column("made_at", Utc(), nullable=False),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_cases")),
    )
    op.create_table(
        "source_leases",
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("until", Utc(), nullable=False),
        sa.Column("term", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_source_leases")),
    )
    op.create_table(
        "submissions",
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
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("submitter_kind", sa.String(length=16), nullable=False),
        sa.Column("submitter_name", Words(), nullable=False),
        sa.Column("reply_to", Words(), nullable=True),
        sa.Column("wish", sa.String(length=16), nullable=False),
        sa.Column("system", sa.Boolean(), nullable=False),
        sa.Column("recipients", Json(), nullable=False),
        sa.Column("remote", Words(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("reference", Words(), nullable=False),
        sa.Column("reference_key", sa.String(length=64), nullable=False),
        sa.Column("recipients_digest", sa.String(length=64), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("blob_size", sa.BigInteger(), nullable=True),
        sa.Column("title", Words(), nullable=True),
        sa.Column("notes", Json(), nullable=True),
        sa.Column("silent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submissions")),
        sa.UniqueConstraint(
            "reference_key", "recipients_digest", name=op.f("uq_submissions_reference_key_recipients_digest")
        ),
    )
    op.create_index(
        "ix_submissions_due",
        "submissions",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_submissions_held",
        "submissions",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index("ix_submissions_received_at", "submissions", ["received_at", "id"], unique=False)
    op.create_table(
        "audit",
        sa.Column("id", Counter, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("actor", Words(), nullable=False),
        sa.Column("verb", sa.String(length=32), nullable=False),
        sa.Column("submission_id", sa.String(length=32), nullable=False),
        sa.Column("item", sa.String(length=200), nullable=False),
        sa.Column("reason", Words(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name=op.f("fk_audit_submission_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_submission_id"), "audit", ["submission_id"], unique=False)
    op.create_index(
        "ix_audit_released",
        "audit",
        ["item"],
        unique=False,
        sqlite_where=sa.text("verb = 'release'"),
        postgresql_where=sa.text("verb = 'release'"),
    )
    op.create_table(
        "case_items",
        sa.Column("number", Words(), nullable=False),
        sa.Column("letter_id", sa.String(length=40), nullable=False),
        sa.Column("metadata", Json(), nullable=False),
        sa.Column("put_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["number"], ["cases.number"], name=op.f("fk_case_items_number")),
        sa.PrimaryKeyConstraint("number", "letter_id", name=op.f("pk_case_items")),
    )
    op.create_table(
        "letters",
        sa.Column("id", sa.String(length=40), nullable=False),
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
        sa.Column("submission_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("twin_key", sa.String(length=64), nullable=False),
        sa.Column("twin_number", sa.Integer(), nullable=False),
        sa.Column("recipient_kind", sa.String(length=8), nullable=False),
        sa.Column("recipient_number", sa.String(length=16), nullable=False),
        sa.Column("p_number", sa.String(length=16), nullable=True),
        sa.Column("copy", sa.Boolean(), nullable=False),
        sa.Column("title", Words(), nullable=False),
        sa.Column("documents", Json(), nullable=False),
        sa.Column("options", Json(), nullable=False),
        sa.Column("flow", Words(), nullable=False),
        sa.Column("address", Words(), nullable=False),
        sa.Column("reach", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name=op.f("fk_letters_submission_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
        sa.UniqueConstraint("submission_id", "number", name=op.f("uq_letters_submission_id_number")),
        sa.UniqueConstraint("twin_key", "twin_number", name=op.f("uq_letters_twin_key_twin_number")),
    )
    op.create_index(
        "ix_letters_due",
        "letters",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_letters_held",
        "letters",
        ["submission_id"],
        unique=False,
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=48), nullable=False),
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
        sa.Column("submission_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("to", Words(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("sent_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name=op.f("fk_notices_submission_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("submission_id", "kind", name=op.f("uq_notices_submission_id_kind")),
    )
    op.create_index(
        "ix_notices_due",
        "notices",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_notices_sent",
        "notices",
        ["sent_at"],
        unique=False,
        sqlite_where=sa.text("sent_at IS NOT NULL"),
        postgresql_where=sa.text("sent_at IS NOT NULL"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", Counter, nullable=False),
        sa.Column("letter_id", sa.String(length=40), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("version", Words(), nullable=False),
        sa.Column("rule", Words(), nullable=False),
        sa.Column("reach", sa.String(length=16), nullable=False),
        sa.Column("actions", Json(), nullable=False),
        sa.Column("trail", Json(), nullable=False),
        sa.ForeignKeyConstraint(["letter_id"], ["letters.id"], name=op.f("fk_decisions_letter_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_letter_id"), "decisions", ["letter_id"], unique=False)
    op.create_table(
        "shipments",
        sa.Column("id", sa.String(length=200), nullable=False),
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
        sa.Column("submission_id", sa.String(length=32), nullable=False),
        sa.Column("letter_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("part", sa.String(length=8), nullable=False),
        sa.Column("destination", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("settings", Json(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("not_before", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rendered", sa.String(length=64), nullable=True),
        sa.Column("rendered_size", sa.BigInteger(), nullable=True),
        sa.Column("taken_at", Utc(), nullable=True),
        sa.Column("awaits_since", Utc(), nullable=True),
        sa.Column("overdue_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["letter_id"], ["letters.id"], name=op.f("fk_shipments_letter_id")),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name=op.f("fk_shipments_submission_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipments")),
        sa.UniqueConstraint("key", name=op.f("uq_shipments_key")),
        sa.UniqueConstraint(
            "letter_id",
            "kind",
            "part",
            "destination",
            name=op.f("uq_shipments_letter_id_kind_part_destination"),
        ),
    )
    op.create_index(
        "ix_shipments_attention",
        "shipments",
        ["submission_id"],
        unique=False,
        sqlite_where=sa.text("state IN ('held', 'failed')"),
        postgresql_where=sa.text("state IN ('held', 'failed')"),
    )
    op.create_index(
        "ix_shipments_awaits",
        "shipments",
        ["awaits_since"],
        unique=False,
        sqlite_where=sa.text("awaits_since IS NOT NULL"),
        postgresql_where=sa.text("awaits_since IS NOT NULL"),
    )
    op.create_index(
        "ix_shipments_due",
        "shipments",
        ["kind", "due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_shipments_moving",
        "shipments",
        ["submission_id"],
        unique=False,
        sqlite_where=sa.text("state IN ('open', 'waiting')"),
        postgresql_where=sa.text("state IN ('open', 'waiting')"),
    )
    op.create_index(
        "ix_shipments_overdue",
        "shipments",
        ["submission_id"],
        unique=False,
        sqlite_where=sa.text("overdue_at IS NOT NULL"),
        postgresql_where=sa.text("overdue_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_shipments_submission_id"), "shipments", ["submission_id"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("shipment_id", sa.String(length=200), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("code", Words(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.id"], name=op.f("fk_attempts_shipment_id")),
        sa.PrimaryKeyConstraint("shipment_id", "number", name=op.f("pk_attempts")),
    )
    op.create_table(
        "receipts",
        sa.Column("id", Counter, nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("source_id", Words(), nullable=False),
        sa.Column("shipment_id", sa.String(length=200), nullable=True),
        sa.Column("key", Words(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("stored_at", Utc(), nullable=False),
        sa.Column("remote_code", Words(), nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.id"], name=op.f("fk_receipts_shipment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
        sa.UniqueConstraint("source", "source_id", name=op.f("uq_receipts_source_source_id")),
    )
    op.create_index(op.f("ix_receipts_shipment_id"), "receipts", ["shipment_id"], unique=False)
