"""A letter goes out through the destination, into the sandbox, and its receipts come back."""

import hashlib
import io
from datetime import UTC, datetime, timedelta

import pytest

from gateway.digital_post.client import NgdpClient
from gateway.digital_post.read import read_memo
from gateway.egress.digital_post import DigitalPost
from gateway.errors import (
    DigitalPostAccessDenied,
    DigitalPostRefused,
    DigitalPostUnavailable,
    MemoRulesBroken,
    TooLarge,
    VaultDamaged,
)
from gateway.model.identity import Cpr
from gateway.model.letter import Document, Letter
from gateway.model.shipment import Sendable, Shipment
from gateway.model.submission import Blob
from gateway.storage.vault import LocalVault

KEY = "8c2ea15d-61fb-4ba9-9366-42f8b194c365"
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
PDF = b"%PDF-1.7 made up"


@pytest.fixture
def vault(tmp_path):
    return LocalVault(tmp_path / "vault")


@pytest.fixture
def sendable(vault):
    def make(*, content=PDF, name="brev.pdf", rendered=None, documents=None, key=KEY, **letter):
        blob = vault.put(content)
        main = Document(
            name=name, media_type="application/pdf", digest=blob.digest, size_bytes=blob.size_bytes, role="main"
        )
        given = {"recipient": Cpr("0101011234"), "title": "Indkaldelse"} | letter
        found = Letter(submission_id="F-2026-7K3Q-M2XD", index=1, documents=documents or (main,), **given)
        return Sendable(
            letter=found,
            shipment=Shipment(
                id="S1", letter_id=found.id, kind="send", destination="digital-post", key=key,
                rendered=rendered, created_at=AT, expires_at=AT + timedelta(days=1),
            ),
        )  # fmt: skip

    return make


@pytest.fixture
def destination(sandbox, sandbox_settings, sandbox_client, vault):
    return DigitalPost(client=sandbox_client, vault=vault, settings=sandbox_settings())


@pytest.fixture
def offer(destination, sendable):
    """Render and send a letter, as the service does."""

    def go(**letter):
        blob = destination.render(sendable(**letter))
        return destination.send(sendable(rendered=blob, **letter))

    return go


def test_a_letter_reaches_the_citizen_byte_for_byte(offer, sandbox):
    (receipt,) = offer().receipts
    assert (receipt.kind, receipt.verdict, receipt.key) == ("technical", "received", KEY)
    (found,) = sandbox.inbox("0101011234")
    assert (found["uuid"], found["title"]) == (KEY, "Indkaldelse")
    (file,) = found["files"]
    assert (file["name"], file["sha256"]) == ("brev.pdf", hashlib.sha256(PDF).hexdigest())


def test_the_business_receipt_is_fetched_and_gone_only_after_it_is_confirmed(offer, destination, sandbox):
    offer()
    sandbox.mailroom.settle_due()
    (receipt,) = destination.fetch(10)
    assert (receipt.kind, receipt.verdict, receipt.key) == ("business", "completed", KEY)
    assert receipt.source == "digital-post"
    assert destination.fetch(10) == [receipt]
    destination.confirm(receipt)
    assert destination.fetch(10) == []
    destination.confirm(receipt)  # a second time is no fault


def test_a_refusal_by_business_receipt_carries_its_code(offer, destination, sandbox):
    sandbox.dials.set("invalid", "always,memo.invalid")
    offer()
    sandbox.mailroom.settle_due()
    (receipt,) = destination.fetch(10)
    assert (receipt.verdict, receipt.remote_code) == ("refused", "memo.invalid")


@pytest.mark.parametrize(
    "dial", ["cut_after", "half_status", "html", "cut_before", "unavailable", "throttled"]
)
def test_after_an_answer_that_was_lost_the_same_bytes_are_one_letter(destination, sendable, sandbox, dial):
    blob = destination.render(sendable())
    sandbox.dials.set(dial, "1")
    with pytest.raises(DigitalPostUnavailable):
        destination.send(sendable(rendered=blob))
    destination.send(sendable(rendered=blob))
    assert len(sandbox.inbox("0101011234")) == 1
    assert sandbox.violations() == []


def test_a_repeat_that_gets_another_receipt_is_taken_too(offer, sandbox):
    sandbox.dials.set("duplicate", "receipt")
    assert [offer().receipts[0].verdict for _ in range(2)] == ["received", "received"]
    assert len(sandbox.inbox("0101011234")) == 1


def test_a_repeat_that_is_a_conflict_is_taken_without_a_receipt(offer):
    offer()
    assert offer().receipts == ()


@pytest.mark.parametrize("dial", ["unauthorized", "forbidden"])
def test_no_access_stops_the_destination(offer, sandbox, dial):
    sandbox.dials.set(dial, "always")
    with pytest.raises(DigitalPostAccessDenied):
        offer()


def test_a_wrong_token_stops_the_destination(sandbox_settings, vault, sendable, clock):
    client = NgdpClient(sandbox_settings(), "wrong", clock=clock)
    destination = DigitalPost(client=client, vault=vault, settings=sandbox_settings())
    with pytest.raises(DigitalPostAccessDenied):
        destination.send(sendable(rendered=destination.render(sendable())))
    client.close()


def test_a_message_they_find_wrong_is_refused_for_good(destination, sendable, vault):
    wrong = vault.put(b"<Message/>")
    with pytest.raises(DigitalPostRefused):
        destination.send(sendable(rendered=wrong))


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_the_memo_is_of_the_version_the_settings_name(
    sandbox_settings, sandbox_client, vault, sendable, version, sandbox
):
    settings = sandbox_settings(memo_version=version)
    destination = DigitalPost(client=sandbox_client, vault=vault, settings=settings)
    blob = destination.render(sendable())
    assert read_memo(io.BytesIO(vault.read(blob)), content_sink=vault.writer).version == version
    destination.send(sendable(rendered=blob))
    assert len(sandbox.inbox("0101011234")) == 1


def test_rendering_again_gives_the_same_bytes(destination, sendable):
    assert destination.render(sendable()) == destination.render(sendable())


def test_a_letter_is_measured_as_it_would_be_sent(sandbox_settings, sandbox_client, vault, sendable):
    def render(size: int, total: int):
        settings = sandbox_settings(total=total)
        return DigitalPost(client=sandbox_client, vault=vault, settings=settings).render(
            sendable(content=bytes(size))
        )

    sent = render(30_000, 99_500_000).size_bytes
    assert sent > 40_000
    assert render(30_000, sent).size_bytes == sent
    for limit in (sent - 1, 39_999):
        with pytest.raises(TooLarge) as caught:
            render(30_000, limit)
        assert caught.value.facts["limit_mb"] == "0.0"


def test_a_letter_that_cannot_be_rendered_leaves_nothing_half_written(destination, sendable, vault):
    letter = sendable(name="a/b.pdf")
    before = {digest for digest, _ in vault.digests()}
    with pytest.raises(MemoRulesBroken):
        destination.render(letter)
    assert {digest for digest, _ in vault.digests()} == before
    assert list((vault.root / "tmp").iterdir()) == []


def test_a_document_that_is_gone_or_changed_on_disk_is_never_sent(destination, sendable, vault):
    lost = Document(
        name="a.pdf", media_type="application/pdf", digest="0" * 64, size_bytes=4, role="main"
    )
    with pytest.raises(VaultDamaged):
        destination.render(sendable(documents=(lost,)))
    letter = sendable()
    file = vault.path(Blob(letter.letter.main.digest, letter.letter.main.size_bytes))
    file.chmod(0o600)
    file.write_bytes(b"%PDF-1.7 made UP")
    with pytest.raises(VaultDamaged):
        destination.render(letter)


def test_what_was_never_rendered_is_never_sent(destination, sendable):
    with pytest.raises(VaultDamaged):
        destination.send(sendable())


def test_a_receipt_nobody_can_read_is_told_in_the_log(start_peer, make_client, make_settings, http, vault, logged):
    peer = start_peer(http(200, f'{{"content": ["{KEY}"], "totalPages": 1}}'), http(200, '{"cpr": "0101011234"}'))
    client = make_client(peer.url)
    destination = DigitalPost(client=client, vault=vault, settings=make_settings(peer.url))
    assert destination.fetch(10) == []
    told = logged()
    assert "receipt_unreadable" in told
    assert "0101011234" not in told
