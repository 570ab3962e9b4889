"""Trial (proeve): what would be done with a package, and why; nothing is written or sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gateway.documents.sidecar.judge import Package
from gateway.documents.sidecar.package import is_merged, read_package
from gateway.model.danish_time import local
from gateway.model.decision import Step
from gateway.model.drop import DropManner
from gateway.model.letter import Letter
from gateway.model.submission import Envelope, Submission, Submitter
from gateway.ports import Clock, Directory, LetterPast
from gateway.rules.engine import RuleSet
from gateway.services.route import facts_of

_TRIAL = "F-0000-0000-0000"


class Trial:
    """Asks the directory and the rules that decide now."""

    def __init__(self, directory: Directory, rules: Callable[[], RuleSet], clock: Clock, *, sender: str) -> None:
        """
        Args:
            sender: the organisation's name, as recipients see it.
        """
        self._directory = directory
        self._rules = rules
        self._clock = clock
        self._sender = sender

    def tried(self, package: Package, manner: DropManner) -> dict[str, Any]:
        """The letters of *package*, the rules' answers, and what each recipient would see."""
        submitter = Submitter(kind="account", name=manner.account, system=True)
        now = self._clock.now()
        envelope = Envelope(channel=manner.channel, submitter=submitter, recipients=(), received_at=now)
        submission = Submission(id=_TRIAL, envelope=envelope, reference=package.reference, size_bytes=len(package.raw))
        letters = () if is_merged(package.raw) else read_package(package.raw, submission).letters
        past = LetterPast(submission=submission, letters=len(letters), copies=sum(one.copy for one in letters))
        return {
            "line": package.line,
            "reference": None if package.reference.startswith("sha256:") else package.reference,
            "letters": [self._letter(letter, past, now) for letter in letters],
        }

    def _letter(self, letter: Letter, past: LetterPast, now: datetime) -> dict[str, Any]:
        rules = self._rules()
        reach = self._directory.reach(letter.recipient)
        facts = facts_of(letter, past, reach)
        decision = rules.decide(facts)
        steps = rules.explain(facts, decision)
        return {
            "recipient": letter.recipient.masked(),
            "copy": letter.copy,
            "reach": reach,
            "rule": decision.rule,
            "version": decision.version,
            "actions": [asdict(action) for action in decision.actions],
            "trail": [_step(step) for step in steps],
            "sees": self._sees(letter, now),
        }

    def _sees(self, letter: Letter, now: datetime) -> dict[str, Any]:
        options = letter.options
        day = options.deliver_from or local(now).date()
        return {
            "afsender": options.sender_label or self._sender,
            "emne": letter.title,
            "dato": day.isoformat(),
            "maa_svare": bool(options.reply_allowed),
            "dokumenter": [{"navn": d.name, "sider": d.pages, "bytes": d.size_bytes, "rolle": "hoveddokument" if d.role == "main" else "bilag"} for d in letter.documents],
        }  # fmt: skip


def _step(step: Step) -> dict[str, Any]:
    return {key: value for key, value in asdict(step).items() if value not in (None, ())}
