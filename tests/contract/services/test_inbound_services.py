"""Post to us over the real ledger and vault: fetched once, confirmed at last, distributed by rule, forwarded once."""

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.digital_post.post import read_post
from gateway.errors import (
    DigitalPostUnavailable,
    MailNotEncrypted,
    MailRelayUnavailable,
    MemoUnreadable,
    NotAllowedNow,
    NotFound,
)
from gateway.model.inbound import InboundStatus
from gateway.ports import NewForward, Understood
from gateway.rules.bundle import Bundle
from gateway.sandbox.posting import Letter, memo_xml
from gateway.sandbox.realistic import page
from gateway.services.collect import Collect
from gateway.services.digest import Digest
from gateway.services.distribute import Distribute, present, to_department
from gateway.services.forward import ForwardArchive, ForwardMail

from .conftest import LEASE, WAITS, Dial

RULES = """
[departments.loen]
name = "Løn"
addresses = ["loen@eksempelby.dk", "vikar@eksempelby.dk"]
substitute = "kontor"
absent = [ { first = 2026-12-24, last = 2026-12-31 } ]

[departments.kontor]
name = "Kontor"
addresses = ["kontor@eksempelby.dk"]
delivery = "vedhaeft"

[[rule]]
id = "tax"
name = "Skat til løn"
direction = "inbound"
when = { field = "subject", contains = "skat" }
then = [ { forward = "loen" }, { archive = "archive", case = "SKAT-1", plan = "81" }, { notify = "kontor", text = "Se efter" } ]

[[rule]]
id = "gone"
name = "Til en afdeling efter emnet"
direction = "inbound"
when = { field = "subject", matches = "^Til (?P<who>[a-z]+)$" }
then = [ { forward = "{{ who }}" } ]

[[rule]]
id = "hold"
name = "Ledelsen ser først"
direction = "inbound"
when = { field = "subject", contains = "stævning" }
then = [ { hold = "Ledelsen ser den først" } ]
"""


class FakeMailbox:
    """Digital Post, in memory: a message is listed until it is confirmed, or removed where *stays* is on."""

    name, channel = "virk", "digital-post"

    def __init__(self):
        self.memos: dict[str, bytes] = {}
        self.listing, self.fetching, self.confirming = Dial(), Dial(), Dial()
        self.confirmed: list[tuple[str, str]] = []
        self.removed: list[str] = []
        self.stays = False

    def waiting(self, limit):
        self.listing.turn()
        return list(self.memos)[:limit]

    def fetch(self, source_id, into):
        into.write(self.memos[source_id][:10])
        self.fetching.turn()
        into.write(self.memos[source_id][10:])
        return True

    def identities(self, source_id):
        return (source_id,)

    def understand(self, source_id, raw):
        try:
            with self.vault.open(raw) as stream:
                return [Understood(identity=source_id, post=read_post(stream, content_sink=self.vault.writer))]
        except MemoUnreadable as fault:
            return [Understood(identity=source_id, fault=fault.code)]

    def confirm(self, unconfirmed):
        self.confirming.turn()
        self.confirmed.append((unconfirmed.source_id, unconfirmed.answer))
        if not self.stays:
            self.memos.pop(unconfirmed.source_id, None)

    def remove(self, source_id):
        self.removed.append(source_id)
        self.memos.pop(source_id, None)


class FakeOut:
    """A next hop: what it took."""

    def __init__(self):
        self.sending = Dial()
        self.took: list[tuple[str, str, bytes]] = []

    def send(self, message, *, to, sender):
        self.sending.turn()
        self.took.append((to, sender, message))


class FakeComposer:
    has_pages = True

    def return_path(self, item):
        return f"retur+{item.forward.token}@dp.example.dk"

    def compose(self, item, contents):
        if contents is None:
            return b"link"
        return b"attached " + b"".join(contents(one) for one in item.message.post.documents)

    def compose_note(self, item):
        return b"note"


class Post:
    """All verbs of post to us."""

    def __init__(self, ledger, vault, time_passes):
        self.ledger, self.vault, self.passes = ledger, vault, time_passes
        self.mailbox, self.out, self.own = FakeMailbox(), FakeOut(), FakeOut()
        self.mailbox.vault = vault
        self.composer = FakeComposer()
        self.rules = Bundle(files={"rules.toml": RULES}).rule_set({})
        self.attach_at_most = 1_000_000
        self.encrypted = True

    def now(self):
        return datetime.now(UTC)

    def posted(self, title="Brev", uuid=None, **tags):
        """A message that lies in the mailbox; its id there."""
        number = len(self.mailbox.memos) + len(self.mailbox.confirmed)
        uuid = uuid or f"00000000-0000-4000-8000-{number:012d}"
        told = {"to_cvr": "12345674", "from_cvr": "19552101", "from_name": "SKAT", "title": title, "files": (page("SKAT", title),)}
        self.mailbox.memos[uuid] = memo_xml(Letter(**(told | tags)), uuid, self.now())
        return uuid

    def collect(self, owner="node-1"):
        collect = Collect(self.ledger, self.ledger, self.vault, [self.mailbox], self, owner=owner, ttl=LEASE)
        return collect.work()

    def distribute(self, default=None):
        return Distribute(
            self.ledger, self.ledger, self.rules, default=default, own_domains=["eksempelby.dk"], waits=WAITS
        ).work()

    def forward(self, kind="mail"):
        out = self.out if self.encrypted else None
        own = self.own if self.encrypted else None
        return ForwardMail(
            kind, self.ledger, self.ledger, self.vault, self.composer, out=lambda _: out, fallback=own,
            note_out=self.own, attach_at_most=self.attach_at_most, waits=WAITS,
        ).work()  # fmt: skip

    def archive(self):
        return ForwardArchive(
            self.ledger, self.ledger, self.ledger, self.vault, case_of=lambda item: dict(item.forward.settings).get("case", "POST-2026"), waits=WAITS
        ).work()

    def came(self, title="Brev", **tags):
        """A message as it is shown, fetched and distributed."""
        self.posted(title, **tags)
        assert self.collect() == 1
        assert self.distribute() == 1
        return self.shown()

    def shown(self):
        return self.ledger.show_inbound(self.ledger.list_inbound(limit=1)[0]["id"])


@pytest.fixture
def post(ledger, vault, time_passes):
    return Post(ledger, vault, time_passes)


# ── collect ─────────────────────────────────────────────────────────────────


def test_a_message_is_stored_then_confirmed_and_never_fetched_again(post):
    uuid = post.posted()
    post.mailbox.stays = True
    assert (post.collect(), post.collect(), post.collect()) == (1, 0, 0)
    assert post.mailbox.confirmed == [(uuid, "completed")]
    assert post.mailbox.removed == [uuid]
    (message,) = post.ledger.list_inbound()
    assert (message["status"], message["uuid"], message["sender"]["name"]) == ("new", uuid, "SKAT")
    shown = post.shown()
    assert shown["documents"][0]["name"] == "Brev.pdf"
    assert post.vault.read(post.ledger.inbound_message(message["id"]).raw).startswith(b"<?xml")


def test_a_receipt_that_was_lost_is_sent_again_though_the_message_is_listed_no_more(post):
    uuid = post.posted()
    post.mailbox.confirming.errors = [DigitalPostUnavailable(reason="x")] * 2
    assert post.collect() == 1
    assert post.mailbox.confirmed == []
    post.mailbox.memos.clear()
    post.collect()
    assert post.mailbox.confirmed == [(uuid, "completed")]
    assert len(post.ledger.list_inbound()) == 1


def test_a_connection_cut_inside_a_message_leaves_nothing_and_keeps_no_other_back(post):
    post.posted("Den ene")
    post.posted("Den anden")
    post.mailbox.fetching.errors = [DigitalPostUnavailable(reason="x")]
    post.collect()
    assert [message["title"] for message in post.ledger.list_inbound()] == ["Den anden"]
    assert post.collect() == 1
    assert len(post.mailbox.confirmed) == 2


def test_a_bug_met_by_one_message_keeps_no_other_back_and_is_met_again(post, events):
    post.posted("Den ene")
    post.posted("Den anden")
    post.mailbox.fetching.errors = [ValueError("x")]
    assert post.collect() == 2, "the second look had no fault"
    assert [event["where"] for event in events if event["event"] == "bug"] == ["collect"]
    assert len(post.mailbox.confirmed) == 2


def test_bytes_nobody_can_read_are_kept_answered_invalid_and_shown(post):
    post.mailbox.memos["00000000-0000-4000-8000-00000000dead"] = b"<!DOCTYPE x><x/>"
    assert post.collect() == 1
    assert post.mailbox.confirmed == [("00000000-0000-4000-8000-00000000dead", "invalid")]
    (message,) = post.ledger.list_inbound(status=InboundStatus.INVALID)
    assert message["code"] == "GW-407"
    assert post.distribute() == 0
    with pytest.raises(NotAllowedNow):
        post.ledger.assign_inbound(message["id"], [], department="x", actor="cli:a")


def test_one_node_looks_into_a_mailbox_at_a_time(post):
    post.posted()
    assert post.ledger.lease_source("mailbox:virk", "node-2", LEASE)
    assert post.collect() == 0
    post.passes(LEASE + timedelta(seconds=1))
    assert post.collect() == 1


def test_a_mailbox_that_says_nothing_for_a_day_is_alarmed_about_once_a_day(post, events):
    collect = Collect(post.ledger, post.ledger, post.vault, [post.mailbox], post, owner="n", ttl=LEASE)
    post.mailbox.listing.errors = [DigitalPostUnavailable(reason="x")] * 9
    assert (collect.work(), collect.look_for_silence(["virk"])) == (0, 0)
    post.passes(timedelta(hours=25))
    assert (collect.look_for_silence(["virk"]), collect.look_for_silence(["virk"])) == (1, 0)
    assert [event["hours"] for event in events if event["event"] == "mailbox_silent"] == [25]
    post.mailbox.listing.errors = []
    collect.work()
    post.passes(timedelta(hours=20))
    assert collect.look_for_silence(["virk"]) == 0


# ── distribute ──────────────────────────────────────────────────────────────


def test_a_rule_gives_it_to_a_department_every_address_gets_a_mail_and_the_archive_its_case(post):
    shown = post.came("Din skat")
    assert (shown["status"], shown["department"]) == ("distributed", "loen")
    assert [(one["kind"], one["address"], one["rule"]) for one in shown["forwards"]] == [
        ("mail", "loen@eksempelby.dk", "Skat til løn"), ("mail", "vikar@eksempelby.dk", "Skat til løn"),
        ("archive", None, "Skat til løn"), ("note", "kontor@eksempelby.dk", "Skat til løn"),
    ]  # fmt: skip
    assert (post.forward(), post.forward("note"), post.archive()) == (2, 1, 1)
    assert [to for to, _, _ in post.out.took] == ["loen@eksempelby.dk", "vikar@eksempelby.dk"]
    assert len({sender for _, sender, _ in post.out.took}) == 2
    assert [(to, sender, mail) for to, sender, mail in post.own.took] == [("kontor@eksempelby.dk", None, b"note")]
    case = post.ledger.show_case("SKAT-1")
    assert [file["role"] for file in case["items"][0]["files"]] == ["message", "main"]
    (past,) = post.ledger.inbound_decisions_of(shown["id"])
    assert (past.decision.rule, past.facts.subject, past.facts.sender_id) == ("tax", "Din skat", "19552101")


def test_what_no_rule_decides_lies_in_indbakke_and_is_archived_all_the_same(post):
    shown = post.came("Andet")
    assert (shown["status"], shown["department"], shown["refusal"]["code"]) == ("inbox", None, "GW-341")
    assert (post.forward(), post.archive()) == (0, 1)
    count, oldest = post.ledger.inbox_overview()
    assert (count, oldest is not None) == (1, True)


def test_a_hold_says_its_reason_in_indbakke(post):
    assert "Ledelsen ser den først" in post.came("En stævning")["refusal"]["sentence"]


def test_a_rule_that_names_no_department_there_is_alarms_and_goes_to_the_default(post, events):
    shown = post.came("Til ingen")
    assert (shown["status"], shown["refusal"]["code"]) == ("inbox", "GW-342")
    assert [event["event"] for event in events if event["event"] == "department_unknown"] == ["department_unknown"]
    post.posted("Til intet")
    post.collect()
    post.distribute(default="kontor")
    assert post.shown()["department"] == "kontor"


@pytest.mark.parametrize(
    ("address", "department"),
    [
        ("anna@eksempelby.dk", "anna@eksempelby.dk"), ("anna@EKSEMPELBY.DK", "anna@EKSEMPELBY.DK"), ("anna@ond.example", None),
        ("anna@eksempelby.dk.ond.example", None), ("a@ond.example,b@eksempelby.dk", None), ('"a b"@eksempelby.dk', None),
    ],
)  # fmt: skip
def test_an_address_its_sender_named_is_honoured_only_in_our_own_domains(post, address, department):
    shown = post.came("Andet", attention_email=address)
    assert shown["department"] == department


def test_an_answer_to_a_letter_of_ours_goes_home_before_any_rule(post, road):
    submission, key = road.sent()
    shown = post.came("Din skat", answers=key.upper())
    assert shown["department"] == "afsenderenheden"
    assert shown["forwards"][0]["address"] == "anna@example.dk"
    assert submission in road.show(submission)["id"]


def test_an_answer_that_only_says_so_goes_through_the_rules(post):
    shown = post.came("Din skat", answers="00000000-0000-4000-8000-00000000beef")
    assert shown["department"] == "loen"


def test_while_a_department_is_away_its_substitute_gets_it(post):
    departments = post.rules.departments
    assert present(departments, "loen", date(2026, 12, 23)) == "loen"
    assert present(departments, "loen", date(2026, 12, 24)) == "kontor"


# ── forward ─────────────────────────────────────────────────────────────────


def test_documents_over_the_limit_become_a_link_or_are_held(post):
    post.attach_at_most = 10
    post.came("Din skat")
    assert post.forward() == 2
    assert [mail for _, _, mail in post.own.took] == [b"link", b"link"]
    assert {one["sent_as"] for one in post.shown()["forwards"] if one["kind"] == "mail"} == {"link"}
    post.came("Til kontor")
    post.forward()
    held = post.shown()["forwards"][0]
    assert (held["state"], held["refusal"]["code"]) == ("held", "GW-343")


def test_a_next_hop_without_tls_gets_nothing_and_the_department_a_link_by_our_own(post):
    post.out.sending.errors = [MailNotEncrypted(reason="TLS: no common ground")] * 3
    post.came("Din skat")
    post.forward()
    assert (post.out.took, len(post.own.took)) == ([], 2)
    post.came("Til kontor")
    post.forward()
    held = post.shown()["forwards"][0]
    assert (held["state"], held["refusal"]["code"], post.out.took) == ("held", "GW-414", [])
    assert post.ledger.retry_forwards(post.shown()["id"], actor="cli:a", mode="link") == 1
    post.forward()
    assert post.shown()["forwards"][0]["sent_as"] == "link"


def test_smime_is_attached_or_held_and_never_falls_to_a_link(post):
    post.came("Til kontor")
    post.ledger.assign_inbound(post.shown()["id"], [sealed("kontor@eksempelby.dk")], department="kontor", actor="cli:a")
    post.forward()
    assert (post.shown()["forwards"][-1]["sent_as"], post.own.took) == ("smime", [])
    post.out.sending.errors = [MailNotEncrypted(reason="x")]
    post.ledger.assign_inbound(post.shown()["id"], [sealed("kontor@eksempelby.dk")], department="kontor", actor="cli:a")
    post.forward()
    held = post.shown()["forwards"][-1]
    assert (held["state"], held["refusal"]["code"], post.own.took) == ("held", "GW-414", [])


def sealed(address):
    return NewForward(kind="mail", department="kontor", address=address, mode="smime")


def test_where_nothing_encrypts_everything_is_held(post):
    post.encrypted = False
    post.came("Din skat")
    post.forward()
    assert {one["state"] for one in post.shown()["forwards"] if one["kind"] == "mail"} == {"held"}


def test_a_relay_that_is_busy_is_asked_again(post):
    post.out.sending.errors = [MailRelayUnavailable(reason="reply 451")]
    post.came("Til kontor")
    assert (post.forward(), post.out.took) == (1, [])
    post.passes(timedelta(minutes=2))
    assert (post.forward(), len(post.out.took)) == (1, 1)


# ── persons ─────────────────────────────────────────────────────────────────


def test_a_person_assigns_returns_and_finishes(post):
    item = post.came("Andet")["id"]
    kontor = post.rules.departments["kontor"]
    post.ledger.assign_inbound(item, to_department("kontor", kontor, rule="Fordelt af ole"), department="kontor", actor="cli:ole")
    assert (post.forward(), post.out.took[0][0]) == (1, "kontor@eksempelby.dk")
    post.ledger.inbound_opened(item, actor="kontor")
    assert post.shown()["status"] == "opened"
    assert post.ledger.return_inbound(f"{item}.2", actor="kontor", reason="Forkert") == item
    assert (post.shown()["status"], post.shown()["department"]) == ("inbox", None)
    with pytest.raises(NotAllowedNow):
        post.ledger.return_inbound(item, actor="kontor", reason="")
    loen = [NewForward(kind="mail", department="loen", address="loen@eksempelby.dk")]
    post.ledger.assign_inbound(item, loen, department="loen", actor="cli:ole")
    post.ledger.assign_inbound(item, to_department("kontor", kontor, rule="x"), department="kontor", actor="cli:ole")
    post.forward()
    assert [to for to, _, _ in post.out.took] == ["kontor@eksempelby.dk"] * 2, "what was not mailed yet goes no more"
    post.ledger.inbound_done_by(item, actor="cli:ole")
    assert post.shown()["status"] == "done"
    with pytest.raises(NotAllowedNow):
        post.ledger.inbound_done_by(item, actor="cli:ole")
    with pytest.raises(NotFound):
        post.ledger.show_inbound("P-2026-AAAA-AAAA")
    verbs = [line["verb"] for line in post.shown()["history"]]
    assert verbs == ["received", "inbox", "assigned", "forwarded", "opened", "returned", "assigned", "assigned", "forwarded", "done"]


def test_a_bounce_reopens_it_once_and_only_for_the_mail_it_is_about(post):
    item = post.came("Til kontor")["id"]
    post.forward()
    token = post.out.took[0][1].partition("+")[2].partition("@")[0]
    assert post.ledger.forward_bounced("f" * 32, reason="5.1.1") is None
    assert post.ledger.forward_bounced(token, reason="5.1.1") == item
    assert post.ledger.forward_bounced(token, reason="5.1.1") is None
    assert (post.shown()["status"], post.shown()["forwards"][0]["state"]) == ("inbox", "bounced")


def test_a_message_that_kills_three_times_lies_in_indbakke(post):
    post.posted("Andet")
    post.collect()
    for _ in range(3):
        assert post.ledger.claim_new_inbound(1)
        post.passes(LEASE + timedelta(seconds=1))
    post.distribute()
    assert (post.shown()["status"], post.shown()["refusal"]["code"]) == ("inbox", "GW-504")


def test_its_bytes_are_named_so_that_the_sweep_keeps_them(post):
    item = post.came("Andet")["id"]
    message = post.ledger.inbound_message(item)
    assert {message.raw.digest, message.post.main.digest} <= post.ledger.named_digests()


def test_once_a_day_after_eight_the_distributors_hear_what_lies_in_indbakke(post):
    class At:
        def __init__(self):
            self.hour, self.day = 5, 27

        def now(self):
            return datetime(2026, 11, self.day, self.hour, 30, tzinfo=UTC)

    at = At()
    digest = Digest(
        post.ledger, post.own, at, to=["a@x.dk", "b@x.dk"], compose=lambda to, count, oldest, day: f"{to} {count} {day}".encode()
    )
    at.hour = 8
    assert digest.look() == 0, "nothing lies there"
    at.day = 28
    post.came("Andet")
    at.hour = 6
    assert digest.look() == 0, "before eight"
    at.hour = 8
    post.own.sending.errors = [None, MailRelayUnavailable(reason="x")]
    assert digest.look() == 1
    assert (digest.look(), digest.look()) == (2, 0)
    assert [mail for _, _, mail in post.own.took] == [b"a@x.dk 1 2026-11-28", b"b@x.dk 1 2026-11-28"]
