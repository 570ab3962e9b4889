"""What settings mean to the core: rules, limits and flows as plain values."""

from __future__ import annotations

from gateway.config import Settings
from gateway.documents.reading import ReadFlow, ReadRules
from gateway.ports import RuleChain
from gateway.rules.builtin import builtin_rules
from gateway.rules.load import load_rules


def rules_of(settings: Settings) -> RuleChain:
    """The rule chain of *settings*. Raises ConfigError."""
    if settings.rules is None:
        return builtin_rules()
    return load_rules(settings.path(settings.rules))


def loop_id(settings: Settings) -> str:
    """What marks our own mail (X-Loop); the same on every node of an installation."""
    return f"digitalpost-gateway.{settings.smtp.domains[0]}"


def read_rules(settings: Settings) -> ReadRules:
    """What a reader must know, as plain values."""
    read, channel = settings.read, settings.channel
    return ReadRules(
        domains=settings.smtp.domains,
        flows={
            name: ReadFlow(
                recipient_from=flow.recipient_from,
                case=flow.case,
                plan=flow.plan,
                reply_allowed=flow.reply_allowed,
                body_is_letter=flow.body_is_letter,
            )
            for name, flow in settings.all_flows().items()
        },
        allow_test_numbers=settings.allow_test_numbers,
        loop_id=loop_id(settings),
        own_addresses=(settings.mail.sender,),
        header_bytes=int(read.header_bytes),
        headers=read.headers,
        one_header=int(read.one_header),
        nesting=read.nesting,
        parts=read.parts,
        received=read.received,
        title=channel.title,
        title_hint=channel.title_hint,
        files=channel.files,
        total=int(channel.total),
        main_types=channel.main_types,
        attachment_types=channel.attachment_types,
    )
