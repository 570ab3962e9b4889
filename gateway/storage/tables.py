"""The ledger's tables. The rows are the queue; there is no other.

A row is in a queue exactly while ``due_at`` is set, and the indexes the claims use hold only such
rows: a million finished letters cost a claim nothing. ``lease_until`` is set while somebody works on
it; ``fence`` counts the claims and must be named by every write; ``crashes`` counts claims that ended
neither well nor badly. What a shipment's delivery is, is never stored: see ``model.shipment.delivery``.
One module, although long: the whole schema, which migrations are compared with.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gateway.storage.columns import Counter, Json, Utc, Words

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

DIGEST = String(64)

# Written out, not bound: a database uses a partial index only where it can see the same words.
HELD = text("state = 'held'")
HELD_OR_FAILED = text("state IN ('held', 'failed')")
OPEN_OR_WAITING = text("state IN ('open', 'waiting')")
RELEASED = text("verb = 'release'")
UNTAKEN = text("state IN ('waiting', 'temporary', 'standard', 'cut')")
LIES = text("lies")
TAKEN = text("state = 'taken'")
UNWRITTEN = text("NOT written")
UNCONFIRMED = text("confirmed_at IS NULL")
IN_INBOX = text("state = 'inbox'")


def _partial(name: str, *columns: str, only: str) -> Index:
    """An index over the rows that fit *only*, on both databases."""
    return Index(name, *columns, sqlite_where=text(only), postgresql_where=text(only))


def _queue() -> tuple[Column[object], ...]:
    return (
        Column("state", String(16), nullable=False),
        Column("due_at", Utc),
        Column("lease_until", Utc),
        Column("fence", Integer, nullable=False, server_default="0"),
        Column("crashes", Integer, nullable=False, server_default="0"),
        Column("spent", Integer, nullable=False, server_default="0"),  # claims before it was due anew
        Column("code", Words),  # of the last postponement
        Column("refusal", Json),
        Column("trace", Words),
        Column("ended_at", Utc),
    )


submissions = Table(
    "submissions",
    metadata,
    Column("id", String(32), primary_key=True),
    *_queue(),  # received, read, rejected, held, cancelled, handled
    Column("received_at", Utc, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("submitter_kind", String(16), nullable=False),
    Column("submitter_name", Words, nullable=False),
    Column("reply_to", Words),
    Column("wish", String(16), nullable=False),
    Column("system", Boolean, nullable=False),
    Column("recipients", Json, nullable=False),
    Column("remote", Words, nullable=False),
    Column("automatic", Boolean, nullable=False),
    Column("reference", Words, nullable=False),
    # SHA-256 over submitter key and reference: a Message-ID may be longer than an index entry.
    Column("reference_key", DIGEST, nullable=False),
    Column("recipients_digest", DIGEST, nullable=False),
    Column("identity", DIGEST, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("raw", LargeBinary),
    Column("digest", DIGEST),
    Column("blob_size", BigInteger),
    Column("title", Words),
    Column("notes", Json),
    Column("silent", Boolean, nullable=False, server_default=text("false")),
    # Read in the lane of merged files.
    Column("merged", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("reference_key", "recipients_digest"),
    _partial("ix_submissions_due", "due_at", only="due_at IS NOT NULL"),
    _partial("ix_submissions_held", "id", only=HELD.text),
    Index("ix_submissions_received_at", "received_at", "id"),
)

letters = Table(
    "letters",
    metadata,
    Column("id", String(40), primary_key=True),
    *_queue(),  # unrouted, routed, held, rejected, cancelled, handled
    Column("submission_id", String(32), ForeignKey("submissions.id"), nullable=False),
    Column("number", Integer, nullable=False),
    # Same submitter, reference and recipient; twin_number counts within one submission, which may
    # hold several letters to one recipient.
    Column("twin_key", DIGEST, nullable=False),
    Column("twin_number", Integer, nullable=False),
    Column("recipient_kind", String(8), nullable=False),
    Column("recipient_number", String(16), nullable=False),
    Column("p_number", String(16)),
    Column("copy", Boolean, nullable=False),
    Column("title", Words, nullable=False),
    Column("documents", Json, nullable=False),
    Column("options", Json, nullable=False),
    Column("flow", Words, nullable=False),
    Column("address", Words, nullable=False),
    Column("reach", String(16)),
    UniqueConstraint("submission_id", "number"),
    UniqueConstraint("twin_key", "twin_number"),
    _partial("ix_letters_due", "due_at", only="due_at IS NOT NULL"),
    _partial("ix_letters_held", "submission_id", only=HELD.text),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("letter_id", String(40), ForeignKey("letters.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("version", Words, nullable=False),
    Column("rule", Words, nullable=False),
    Column("reach", String(16), nullable=False),
    Column("actions", Json, nullable=False),
    Column("trail", Json, nullable=False),  # bits; gateway.rules.explain makes words of them
    Column("facts", Json),  # null: decided before facts were kept
    Column("shadow", Json),
    Index("ix_decisions_at", "at", "id"),
)

rule_versions = Table(
    "rule_versions",
    metadata,
    Column("version", String(12), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("files", Json, nullable=False),  # [[name, text], …], in the order in which they are read
    Column("made_at", Utc, nullable=False),
    Column("author", Words, nullable=False),
    Column("note", Words, nullable=False),
)

rule_activations = Table(
    "rule_activations",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("version", String(12), ForeignKey("rule_versions.version"), nullable=False),
    Column("at", Utc, nullable=False),
    Column("author", Words, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # pending, active, past, withdrawn; at most one active
    Column("approver", Words),
    Column("approved_at", Utc),
    Index(
        "uq_rule_activations_active", "state", unique=True,
        sqlite_where=text("state = 'active'"), postgresql_where=text("state = 'active'"),
    ),
)

rule_days = Table(
    "rule_days",
    metadata,
    Column("rule", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),  # Danish, YYYY-MM-DD
    Column("matches", Integer, nullable=False),
)

rule_pauses = Table(
    "rule_pauses",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("rule", String(64), nullable=False),
    Column("at", Utc, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("usual", Integer, nullable=False),
    Column("resumed_at", Utc),
    Column("resumed_by", Words),
    Index(
        "uq_rule_pauses_now", "rule", unique=True,
        sqlite_where=text("resumed_at IS NULL"), postgresql_where=text("resumed_at IS NULL"),
    ),
)

shipments = Table(
    "shipments",
    metadata,
    Column("id", String(200), primary_key=True),
    *_queue(),  # open, waiting (taken, awaits its receipt), done, held, failed, cancelled, handled
    Column("submission_id", String(32), ForeignKey("submissions.id"), nullable=False, index=True),
    Column("letter_id", String(40), ForeignKey("letters.id"), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("part", String(8), nullable=False),
    Column("destination", String(100), nullable=False),
    Column("key", String(36), nullable=False, unique=True),
    Column("settings", Json, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("not_before", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("lane", Integer, nullable=False, server_default="1"),
    Column("mass", Boolean, nullable=False, server_default=text("false")),  # goes with others in a container
    Column("rendered", DIGEST),
    Column("rendered_size", BigInteger),
    Column("taken_at", Utc),
    Column("awaits_since", Utc),  # as taken_at, while the receipt is neither here nor reported missing
    Column("overdue_at", Utc),  # when its missing receipt was reported
    UniqueConstraint("letter_id", "kind", "part", "destination"),
    _partial("ix_shipments_due", "kind", "mass", "lane", "due_at", only="due_at IS NOT NULL"),
    _partial("ix_shipments_attention", "submission_id", only=HELD_OR_FAILED.text),
    _partial("ix_shipments_moving", "submission_id", only=OPEN_OR_WAITING.text),
    _partial("ix_shipments_awaits", "awaits_since", only="awaits_since IS NOT NULL"),
    _partial("ix_shipments_overdue", "submission_id", only="overdue_at IS NOT NULL"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("shipment_id", String(200), ForeignKey("shipments.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("code", Words),
    Column("ended_at", Utc),
)

receipts = Table(
    "receipts",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("source", String(100), nullable=False),
    Column("source_id", Words, nullable=False),
    Column("shipment_id", String(200), ForeignKey("shipments.id"), index=True),  # null: nothing of ours
    Column("key", Words, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("at", Utc, nullable=False),
    Column("stored_at", Utc, nullable=False),
    Column("remote_code", Words),
    Column("raw", LargeBinary, nullable=False),
    UniqueConstraint("source", "source_id"),
)

batches = Table(
    "batches",
    metadata,
    Column("submission_id", String(32), ForeignKey("submissions.id"), primary_key=True),
    Column("source", DIGEST, nullable=False, index=True),  # the plain file, which the letters are cut from
    Column("source_size", BigInteger, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("letters", Integer, nullable=False),
    Column("uncertain", Integer, nullable=False),
    Column("place", Json),
    Column("pieces", Json, nullable=False),  # [[first page from 0, pages, masked recipient, why, [flags]], …]
    Column("settled", Json, nullable=False),  # what persons decided: place, assigned, accepted, approved
    Column("made_at", Utc, nullable=False),
)

cuts = Table(
    "cuts",
    metadata,
    Column("digest", DIGEST, primary_key=True),  # of the bytes that it gives
    Column("size_bytes", BigInteger, nullable=False),
    Column("source", DIGEST, nullable=False),
    Column("source_size", BigInteger, nullable=False),
    Column("first", Integer, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("pdfa", String(4), nullable=False),
)

drops = Table(
    "drops",
    metadata,
    Column("id", String(32), primary_key=True),
    *_queue(),  # received, accepted, rejected, done, held; due while something is to be answered
    Column("account", Words, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("area", String(8), nullable=False),
    Column("folder", Words, nullable=False),
    Column("base", Words, nullable=False),  # what its answers are named after
    Column("kind", String(16), nullable=False),
    Column("trial", Boolean, nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("documents", Json, nullable=False),  # [[name, digest, bytes, pages], …]
    Column("faults", Json, nullable=False),
    Column("notes", Json, nullable=False),
    Column("tried", Json),  # of a trial: what would have been done
    Column("answered", Json, nullable=False),  # labels of the answers written so far
    UniqueConstraint("account", "base"),
    _partial("ix_drops_due", "due_at", only="due_at IS NOT NULL"),
    Index("ix_drops_received_at", "account", "received_at"),
)

drop_files = Table(
    "drop_files",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("account", Words, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("area", String(8), nullable=False),
    Column("folder", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("how", String(8), nullable=False),
    Column("at", Utc, nullable=False),
    Column("state", String(12), nullable=False),  # waiting, temporary (a name that is still to change), cut, taken, withdrawn, standard
    Column("drop_id", String(32), ForeignKey("drops.id"), index=True),
    Column("note", Words, nullable=False),  # what was guessed about its name
    Column("mark", String(200), nullable=False),  # of a share: what makes it the same file, seen again
    Column("lies", Boolean, nullable=False),  # whether it still lies in the share
    _partial("ix_drop_files_waiting", "account", "area", "folder", "name", only=UNTAKEN.text),
    _partial("ix_drop_files_taken", "account", "at", only=TAKEN.text),
    Index("ix_drop_files_name", "account", "name"),
    Index(
        "uq_drop_files_lies", "account", "mark", unique=True,
        sqlite_where=LIES, postgresql_where=LIES,
    ),
)

drop_items = Table(
    "drop_items",
    metadata,
    Column("drop_id", String(32), ForeignKey("drops.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("submission_id", String(32), ForeignKey("submissions.id"), nullable=False, index=True),
    Column("outcome", String(16), nullable=False),  # new, duplicate
    Column("reference", Words, nullable=False),
    Column("line", Integer),
)

drop_answers = Table(
    "drop_answers",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("drop_id", String(32), ForeignKey("drops.id"), index=True),
    Column("account", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("made_at", Utc, nullable=False),
    Column("written", Boolean, nullable=False),  # false: has still to be written to the share
    UniqueConstraint("account", "name"),
    _partial("ix_drop_answers_unwritten", "account", only=UNWRITTEN.text),
    Index("ix_drop_answers_made_at", "account", "made_at"),
)

drop_places = Table(
    "drop_places",
    metadata,
    Column("account", Words, primary_key=True),
    Column("sentinel", String(64)),
    Column("state", String(16), nullable=False),  # ok, lost
    Column("since", Utc, nullable=False),
)

notices = Table(
    "notices",
    metadata,
    Column("id", String(48), primary_key=True),
    *_queue(),  # due, sent, held, and again (sent before, but something was retried since)
    Column("submission_id", String(32), ForeignKey("submissions.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("to", Words, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("about", Json),  # of what a rule wants told: rule, text, letter
    Column("sent_at", Utc),
    UniqueConstraint("submission_id", "kind"),
    _partial("ix_notices_due", "due_at", only="due_at IS NOT NULL"),
    _partial("ix_notices_sent", "sent_at", only="sent_at IS NOT NULL"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("actor", Words, nullable=False),
    Column("verb", String(32), nullable=False),
    Column("submission_id", String(32), ForeignKey("submissions.id"), nullable=False, index=True),
    Column("item", String(200), nullable=False),
    Column("reason", Words, nullable=False),
    _partial("ix_audit_released", "item", only=RELEASED.text),
)

source_leases = Table(
    "source_leases",
    metadata,
    Column("source", String(200), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("until", Utc, nullable=False),
    Column("term", Integer, nullable=False),
)

inbound = Table(
    "inbound",
    metadata,
    Column("id", String(32), primary_key=True),
    *_queue(),  # new, inbox, distributed, opened, done, invalid
    Column("mailbox", String(100), nullable=False),
    Column("source_id", String(200), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("uuid", String(36)),
    Column("title", Words, nullable=False),
    Column("sender_kind", String(8), nullable=False),
    Column("sender_number", String(16), nullable=False),
    Column("sender_name", Words, nullable=False),
    Column("documents", Json, nullable=False),
    Column("post", Json, nullable=False),  # the other keys
    Column("confirmed_at", Utc),  # the mailbox was told that we have it
    Column("answer", String(16), nullable=False),  # what it is told: completed, invalid
    Column("department", Words, nullable=False),
    Column("opened_at", Utc),
    Column("reminded_at", Utc),
    UniqueConstraint("mailbox", "source_id"),
    _partial("ix_inbound_due", "due_at", only="due_at IS NOT NULL"),
    _partial("ix_inbound_unconfirmed", "mailbox", "received_at", only=UNCONFIRMED.text),
    _partial("ix_inbound_inbox", "received_at", only=IN_INBOX.text),
    Index("ix_inbound_received_at", "received_at", "id"),
)

forwards = Table(
    "forwards",
    metadata,
    Column("id", String(40), primary_key=True),
    *_queue(),  # open, done, held, returned (wrong department), bounced, superseded
    Column("inbound_id", String(32), ForeignKey("inbound.id"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("department", Words, nullable=False),
    Column("address", Words, nullable=False),
    Column("mode", String(16), nullable=False),
    Column("rule", Words, nullable=False),
    Column("settings", Json, nullable=False),
    Column("token", String(64), nullable=False, unique=True),
    Column("created_at", Utc, nullable=False),
    Column("sent_at", Utc),
    Column("sent_as", String(16)),  # how it went in the end: vedhaeft, link, smime
    UniqueConstraint("inbound_id", "number"),
    _partial("ix_forwards_due", "kind", "due_at", only="due_at IS NOT NULL"),
    _partial("ix_forwards_attention", "inbound_id", only=HELD.text),
)

inbound_decisions = Table(
    "inbound_decisions",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("inbound_id", String(32), ForeignKey("inbound.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("version", Words, nullable=False),
    Column("rule", Words, nullable=False),
    Column("actions", Json, nullable=False),
    Column("trail", Json, nullable=False),
    Column("facts", Json, nullable=False),
    Column("shadow", Json),
    Index("ix_inbound_decisions_at", "at", "id"),
)

inbound_history = Table(
    "inbound_history",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("actor", Words, nullable=False),
    Column("verb", String(32), nullable=False),
    Column("inbound_id", String(32), ForeignKey("inbound.id"), nullable=False, index=True),
    Column("item", String(40), nullable=False),
    Column("reason", Words, nullable=False),
)

link_codes = Table(
    "link_codes",
    metadata,
    Column("forward_id", String(40), ForeignKey("forwards.id"), primary_key=True),
    Column("code", DIGEST),  # SHA-256 of the code mailed last
    Column("code_until", Utc),
    Column("tries", Integer, nullable=False, server_default="0"),  # wrong codes since the last right one
    Column("codes", Integer, nullable=False, server_default="0"),  # mailed so far
    Column("visit", DIGEST),  # SHA-256 of the secret of the one visit
    Column("visit_until", Utc),
)

mailboxes = Table(
    "mailboxes",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("since", Utc, nullable=False),
    Column("polled_at", Utc),  # answered last
    Column("alarmed_at", Utc),
    Column("state", Json, nullable=False),  # of a kind of mailbox: where it was in its folder
)

cases = Table(
    "cases",
    metadata,
    Column("number", Words, primary_key=True),
    Column("plan", Words),
    Column("made_at", Utc, nullable=False),
    Column("closed_at", Utc),
)

case_items = Table(
    "case_items",
    metadata,
    Column("number", Words, ForeignKey("cases.number"), primary_key=True),
    Column("letter_id", String(40), primary_key=True),
    Column("metadata", Json, nullable=False),
    Column("put_at", Utc, nullable=False),
)

case_files = Table(
    "case_files",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("number", Words, nullable=False),
    Column("letter_id", String(40), nullable=False),
    Column("name", Words, nullable=False),
    Column("role", String(16), nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("put_at", Utc, nullable=False),
    UniqueConstraint("number", "letter_id", "role", "name", "digest"),
)
