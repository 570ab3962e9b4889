"""rules: versions kept for ever, who made which decide, and the decisions of the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select, text, update

from gateway.errors import NotAllowedNow, NotFound
from gateway.model.rule_version import Activation, ActivationKind, PastDecision, RuleVersion
from gateway.storage import decided, values
from gateway.storage import tables as t
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import US, Part
from gateway.storage.ledger.find import submission_id_of
from gateway.storage.values import Row

# Any number, as long as it is ours; whoever changes what decides holds it until he commits.
_LOCK = 0x6770_7275_6C65_7300


class Ruling(Part):
    """The part of the ledger that the rules and their commands call."""

    def keep_rules(self, files: Mapping[str, str], *, version: str, author: str, note: str = "") -> RuleVersion:
        """See ``ports.Ledger.keep_rules``."""
        with self._database.write() as tx:
            _alone(tx)
            kept = _version(tx.connection, version)
            if kept is None:
                newest = tx.run(select(func.max(t.rule_versions.c.number))).scalar_one()
                row = {
                    "version": version,
                    "number": (newest or 0) + 1,
                    "files": [list(file) for file in files.items()],
                    "made_at": tx.now,
                    "author": author,
                    "note": note,
                }
                tx.insert(t.rule_versions, [row])
                kept = _version(tx.connection, version)
            assert kept is not None
            return kept

    def rule_version(self, version: str) -> RuleVersion:
        """By its version, or by its number. Raises NotFound."""
        with self._database.read() as connection:
            kept = _version(connection, version)
        if kept is None:
            raise NotFound(what="rule set version")
        return kept

    def rule_activations(self, limit: int = 50) -> list[Activation]:
        """Newest first."""
        with self._database.read() as connection:
            found = connection.execute(_ACTIVATIONS.order_by(t.rule_activations.c.id.desc()).limit(limit))
            return [_activation(row) for row in found.mappings()]

    def active_rules(self) -> str | None:
        """The version that decides."""
        with self._database.read() as connection:
            found = connection.execute(_ACTIVE).scalar_one_or_none()
            return None if found is None else str(found)

    def activate_rules(
        self, version: str, *, author: str, kind: ActivationKind, second: bool = False
    ) -> Activation:
        """See ``ports.Ledger.activate_rules``."""
        columns = t.rule_activations.c
        with self._database.write() as tx:
            _alone(tx)
            kept = _version(tx.connection, version)
            if kept is None:
                raise NotFound(what="rule set version")
            active = tx.run(_ACTIVE).scalar_one_or_none()
            if active is not None and kind == "first":
                return _one(tx, columns.state == "active")
            if active == kept.version:
                raise NotAllowedNow(what=f"Version {kept.number} decides already.")
            _change(tx, "pending", "withdrawn")
            if not second:
                _change(tx, "active", "past")
            row = {
                "version": kept.version,
                "at": tx.now,
                "author": author,
                "kind": kind,
                "state": "pending" if second else "active",
            }
            tx.insert(t.rule_activations, [row])
            return _one(tx, columns.state == row["state"])

    def approve_rules(self, version: str, *, approver: str) -> Activation:
        """See ``ports.Ledger.approve_rules``."""
        columns = t.rule_activations.c
        with self._database.write() as tx:
            _alone(tx)
            kept = _version(tx.connection, version)
            if kept is None:
                raise NotFound(what="rule set version")
            waits = (columns.state == "pending") & (columns.version == kept.version)
            author = tx.run(select(columns.author).where(waits)).scalar_one_or_none()
            if author is None:
                raise NotAllowedNow(what=f"Version {kept.number} does not wait for approval.")
            if author == approver:
                raise NotAllowedNow(what="Somebody else must approve it than the one who activated it.")
            _change(tx, "active", "past")
            tx.run(update(t.rule_activations).where(waits).values(state="active", approver=approver, approved_at=tx.now))
            return _one(tx, columns.state == "active")

    def decisions_of(self, item: str) -> list[PastDecision]:
        """See ``ports.Ledger.decisions_of``."""
        columns = t.decisions.c
        with self._database.read() as connection:
            submission_id = submission_id_of(connection, item)
            wanted = (
                select(t.decisions, t.letters.c.recipient_kind, t.letters.c.recipient_number, t.letters.c.p_number)
                .join(t.letters, t.letters.c.id == columns.letter_id)
                .where(t.letters.c.submission_id == submission_id, columns.facts.is_not(None))
                .order_by(t.letters.c.number, columns.id)
            )
            rows = connection.execute(wanted).mappings().all()
        # A shipment's id begins with its letter's.
        about = [row for row in rows if item == submission_id or f"{item}.".startswith(f"{row['letter_id']}.")]
        return [_past(row, recipient=values.recipient(row).masked()) for row in about]

    def decisions_since(self, since: datetime, *, after: int = 0, limit: int = 1000) -> list[PastDecision]:
        """See ``ports.Ledger.decisions_since``."""
        columns = t.decisions.c
        wanted = select(t.decisions).where(*_latest(since), columns.id > after).order_by(columns.id).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(wanted).mappings().all()
            acted = _acted(connection, [row["letter_id"] for row in rows])
        return [_past(row, acted=acted.get(row["letter_id"])) for row in rows]

    def count_decisions_since(self, since: datetime) -> int:
        """How many ``decisions_since`` gives in all."""
        counted = select(func.count()).select_from(t.decisions).where(*_latest(since))
        with self._database.read() as connection:
            return int(connection.execute(counted).scalar_one())


_ACTIVE = select(t.rule_activations.c.version).where(text("state = 'active'"))
_ACTIVATIONS = select(t.rule_activations, t.rule_versions.c.number).join(
    t.rule_versions, t.rule_versions.c.version == t.rule_activations.c.version
)


def _alone(tx: Tx) -> None:
    """One change of what decides at a time. SQLite has one writer anyway."""
    if tx.postgres:
        tx.connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _version(connection: Connection, version: str) -> RuleVersion | None:
    columns = t.rule_versions.c
    by_number = columns.number == int(version) if version.isdecimal() and len(version) < 10 else False
    # A version may consist of digits alone: twelve of them, so that it is no number.
    found = connection.execute(select(t.rule_versions).where((columns.version == version) | by_number))
    row = found.mappings().one_or_none()
    if row is None:
        return None
    return RuleVersion(**{**row, "files": dict(row["files"])})


def _one(tx: Tx, where: ColumnElement[bool]) -> Activation:
    return _activation(tx.run(_ACTIVATIONS.where(where)).mappings().one())


def _activation(row: Row) -> Activation:
    return Activation(**{name: value for name, value in row.items() if name != "id"})


def _past(row: Row, *, recipient: str = "", acted: str | None = None) -> PastDecision:
    return PastDecision(
        id=row["id"],
        item=row["letter_id"],
        recipient=recipient,
        at=row["at"],
        facts=decided.facts(row["facts"]),
        decision=decided.decision(row),
        acted=acted,
    )


def _change(tx: Tx, state: str, to: str) -> None:
    tx.run(update(t.rule_activations).where(t.rule_activations.c.state == state).values(state=to))


def _latest(since: datetime) -> tuple[ColumnElement[bool], ...]:
    """Decisions since then whose facts were kept, the last one of each letter."""
    columns, later = t.decisions.c, t.decisions.alias("later")
    newer = select(later.c.id).where(later.c.letter_id == columns.letter_id, later.c.id > columns.id)
    return columns.at >= since, columns.facts.is_not(None), ~newer.exists()


def _acted(connection: Connection, letter_ids: Sequence[str]) -> dict[str, str]:
    """By letter, the verb of the last line of its history that a person caused."""
    if not letter_ids:
        return {}
    columns = t.audit.c
    lines = (
        select(columns.item, columns.verb)
        .where(columns.item.in_(letter_ids), columns.actor != US)
        .order_by(columns.id)
    )
    return {str(item): str(verb) for item, verb in connection.execute(lines)}
