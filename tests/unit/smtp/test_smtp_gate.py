"""Who may send as whom, to what."""

from dataclasses import dataclass, replace
from ipaddress import ip_network

import pytest

from gateway.config.settings import AddressRule, ClientCertificate, Relay, Smtp
from gateway.ingress.smtp import replies
from gateway.ingress.smtp.gate import Peer, admit, may_use_flow, plain_address, sender_pattern

PRINT = "a" * 64


@dataclass(frozen=True)
class User:
    name: str = "anna"
    addresses: tuple[str, ...] = ("anna@skole.dk", "post@skole.dk")
    notices: str = "summary"
    system: bool = False


def relay(**changes):
    values = {"name": "exchange", "networks": (ip_network("10.0.0.0/24"),), "domains": ("skole.dk",)}
    return Relay.model_validate({**values, **changes})


SMTP = Smtp(
    domains=("dp.example.dk",),
    client_ca="ca.crt",
    relays=(relay(), relay(name="second", domains=("hus.dk",))),
    client_certificates=(ClientCertificate(name="fag", sha256=PRINT, domains=("fag.dk",), system=True),),
)
STRANGER = Peer(address="192.0.2.1", tls=True)
ANNA = replace(STRANGER, user=User())
EXCHANGE = Peer(address="10.0.0.5", tls=True)
MACHINE = replace(STRANGER, fingerprint=PRINT)


@pytest.mark.parametrize(
    ("peer", "sender", "refusal"),
    [
        (replace(STRANGER, tls=False), "anna@skole.dk", replies.TLS_FIRST),
        (replace(EXCHANGE, tls=False), "anna@skole.dk", replies.TLS_FIRST),
        (STRANGER, "anna@skole.dk", replies.LOGIN_FIRST),
        (STRANGER, "", replies.LOGIN_FIRST),
        (replace(STRANGER, fingerprint="b" * 64), "x@fag.dk", replies.LOGIN_FIRST),
        (ANNA, "rektor@skole.dk", replies.SENDER_NOT_ALLOWED),
        (EXCHANGE, "x@other.dk", replies.SENDER_NOT_ALLOWED),
        (EXCHANGE, "x@evil-skole.dk", replies.SENDER_NOT_ALLOWED),
        (EXCHANGE, "x@sub.skole.dk", replies.SENDER_NOT_ALLOWED),
        (MACHINE, "x@skole.dk", replies.SENDER_NOT_ALLOWED),
        # A login at the relay's address is the login, and no more.
        (replace(EXCHANGE, user=User()), "rektor@skole.dk", replies.SENDER_NOT_ALLOWED),
    ],
)
def test_nobody_gets_in_without_a_proof_that_fits(peer, sender, refusal):
    assert admit(peer, sender, SMTP) == refusal


@pytest.mark.parametrize(
    ("peer", "sender", "key", "reply_to"),
    [
        (ANNA, "ANNA@skole.dk", "user:anna", "ANNA@skole.dk"),
        (ANNA, "", "user:anna", "anna@skole.dk"),
        (EXCHANGE, "x@skole.dk", "relay:exchange:x@skole.dk", "x@skole.dk"),
        (EXCHANGE, "x@hus.dk", "relay:second:x@hus.dk", "x@hus.dk"),
        (replace(EXCHANGE, address="::ffff:10.0.0.5"), "x@hus.dk", "relay:second:x@hus.dk", "x@hus.dk"),
        (EXCHANGE, "", "relay:exchange:", None),
        (MACHINE, "x@fag.dk", "certificate:fag:x@fag.dk", "x@fag.dk"),
    ],
)
def test_the_submitter_is_what_was_proved(peer, sender, key, reply_to):
    submitter = admit(peer, sender, SMTP).submitter
    assert (submitter.key(), submitter.reply_to) == (key, reply_to)


def test_only_a_machine_account_is_believed_about_headers():
    assert admit(MACHINE, "x@fag.dk", SMTP).submitter.system
    assert not admit(ANNA, "anna@skole.dk", SMTP).submitter.system
    assert admit(replace(ANNA, user=User(system=True)), "anna@skole.dk", SMTP).submitter.system


def test_a_relay_may_go_in_the_clear_only_on_this_machine():
    local = relay(networks=(ip_network("127.0.0.1/32"),), plaintext=True)
    peer = Peer(address="127.0.0.1")
    assert admit(peer, "x@skole.dk", SMTP.model_copy(update={"relays": (local,)})).submitter.name
    with pytest.raises(ValueError, match="plaintext is only for networks of this machine"):
        relay(plaintext=True)


@pytest.mark.parametrize(
    ("patterns", "sender", "may"),
    [
        (("*",), "who@ever.dk", True),
        (("*@skole.dk",), "who@skole.dk", True),
        (("*@skole.dk",), "who@sub.skole.dk", False),
        (("*@skole.dk",), "who@ever.dk", False),
    ],
)
def test_a_user_may_have_patterns_for_addresses(patterns, sender, may):
    admitted = admit(replace(ANNA, user=User(addresses=patterns)), sender, SMTP)
    assert (admitted != replies.SENDER_NOT_ALLOWED) is may
    if may:
        assert admitted.submitter.reply_to == sender


@pytest.mark.parametrize(
    ("rules", "flow", "may"),
    [
        ([], "loen", True),
        ([(["*"], ["user:anna"])], "loen", True),
        ([(["*"], ["user:*"])], "loen", True),
        ([(["*"], ["user:bo"])], "loen", False),
        ([(["*"], ["relay:*"])], "loen", False),
        ([(["default"], ["user:*"])], "loen", False),
        ([(["default"], ["user:bo"]), (["lo*"], ["user:anna"])], "loen", True),
        ([(["*"], ["*@skole.dk"])], "loen", True),
        ([(["*"], ["user:*", "*@skole.dk"])], "loen", True),
        ([(["*"], ["user:*", "rektor@skole.dk"])], "loen", False),
        ([(["*"], ["user:bo", "*@skole.dk"])], "loen", False),
        ([(["*"], [])], "loen", True),
    ],
)
def test_rules_say_who_may_use_a_flow(rules, flow, may):
    admitted = admit(ANNA, "anna@skole.dk", SMTP)
    made = [AddressRule(flows=tuple(flows), allow=tuple(allow)) for flows, allow in rules]
    assert may_use_flow(flow, admitted, made) is may


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a@b.dk", True),
        ("a.b+c@b.dk", True),
        ("", False),
        ("a", False),
        ("a@", False),
        ("@b.dk", False),
        ("a..b@c.dk", False),
        ("a@b@c.dk", False),
        ('"a b"@c.dk', False),
        ("a@[1.2.3.4]", False),
        ("a b@c.dk", False),
        ("æ@c.dk", False),
        ("a@c.dk\n", False),
        ("x" * 65 + "@c.dk", False),
    ],
)
def test_only_plain_addresses_are_addresses(text, plain):
    assert (plain_address(text) is not None) is plain


@pytest.mark.parametrize(("text", "good"), [("*", True), ("*@a.dk", True), ("a@*", False), ("**@a.dk", True)])
def test_patterns_for_a_user(text, good):
    assert (sender_pattern(text) is not None) is good
