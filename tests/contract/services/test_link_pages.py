"""Links to post that was not attached: over real TLS, on both databases; nothing opens without the code that was mailed."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import select

from gateway.errors import MailNotEncrypted
from gateway.https import WebServer
from gateway.links.app import LinkPages, link_app
from gateway.notices.forwarded import shown_name
from gateway.sandbox.authority import Authority
from gateway.storage import tables as t
from gateway.storage.ledger.links import TRIES

from .test_inbound_services import Post


class Clock:
    late = timedelta()

    def now(self):
        return datetime.now(UTC) + self.late


class Department:
    """A browser, and the mailbox that codes come to."""

    def __init__(self, post, folder):
        authority = Authority.open(folder / "ca")
        authority.server_certificate(folder / "l.crt", folder / "l.key")
        self.post, self.clock = post, Clock()
        self.codes: list[tuple[str, str]] = []
        self.trouble: Exception | None = None
        pages = LinkPages(
            post.ledger, post.ledger, post.vault, self.clock, organisation="Eksempelby", send_code=self.send, name_of=shown_name,
            lasts=timedelta(days=14),
        )  # fmt: skip
        self.server = WebServer(link_app(pages), section="links", host="127.0.0.1", port=0, certificate=folder / "l.crt", key=folder / "l.key")
        self.server.start()
        self.ca = str(authority.ca.cert)
        self.browser = self.new_browser()

    def new_browser(self):
        return httpx2.Client(verify=ssl.create_default_context(cafile=self.ca), base_url=f"https://localhost:{self.server.port}", timeout=10)

    def send(self, item, code):
        if self.trouble:
            raise self.trouble
        self.codes.append((item.forward.address, code))

    def forwarded(self, title="Til kontor"):
        """A message for a department; the token of its link."""
        item = self.post.came(title)
        with self.post.ledger._database.read() as connection:
            wanted = select(t.forwards.c.token).where(t.forwards.c.inbound_id == item["id"], t.forwards.c.kind == "mail")
            return item["id"], connection.execute(wanted).scalars().first()

    def opened(self, token):
        assert self.browser.post(f"/l/{token}/kode").status_code == 200
        return self.browser.post(f"/l/{token}/aabn", data={"code": self.codes[-1][1]})

    def close(self):
        self.browser.close()
        self.server.stop()


@pytest.fixture
def department(ledger, vault, time_passes, tmp_path):
    made = Department(Post(ledger, vault, time_passes), tmp_path)
    yield made
    made.close()


def test_a_code_opens_it_and_the_documents_are_there_to_be_saved(department):
    item, token = department.forwarded()
    front = department.browser.get(f"/l/{token}")
    assert "k…@eksempelby.dk" in front.text
    assert "Til kontor" not in front.text
    answer = department.opened(token)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/l/{token}/post")
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=strict", f"Path=/l/{token}"))
    page = department.browser.get(f"/l/{token}/post")
    assert "Til kontor" in page.text
    assert "SKAT" in page.text
    (link,) = re.findall(r'href="(/l/[^"]+/fil/\d+)"', page.text)
    file = department.browser.get(link)
    assert file.content.startswith(b"%PDF-")
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''Til%20kontor.pdf"
    assert (file.headers["content-type"], file.headers["x-content-type-options"]) == ("application/octet-stream", "nosniff")
    assert department.codes[0][0] == "kontor@eksempelby.dk"
    assert department.post.ledger.show_inbound(item)["status"] == "opened"


def test_a_scanner_that_follows_every_link_changes_nothing_and_sees_nothing(department):
    item, token = department.forwarded()
    for path in ("", "/kode", "/aabn", "/post", "/fil/0", "/behandlet", "/forkert"):
        answer = department.browser.get(f"/l/{token}{path}")
        assert "Til kontor" not in answer.text
        assert not answer.content.startswith(b"%PDF")
    assert department.codes == []
    assert [line["verb"] for line in department.post.ledger.show_inbound(item)["history"]] == ["received", "distributed"]


def test_a_code_opens_once_and_another_browser_sees_nothing(department):
    _, token = department.forwarded()
    department.opened(token)
    other = department.new_browser()
    assert other.get(f"/l/{token}/post").status_code == 303
    assert other.get(f"/l/{token}/fil/0").status_code == 404
    assert other.post(f"/l/{token}/aabn", data={"code": department.codes[-1][1]}).status_code == 403
    assert other.post(f"/l/{token}/behandlet").status_code == 404
    other.close()


def test_wrong_codes_are_counted_and_make_the_right_one_void(department):
    _, token = department.forwarded()
    department.browser.post(f"/l/{token}/kode")
    right = department.codes[-1][1]
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    for _ in range(TRIES):
        assert department.browser.post(f"/l/{token}/aabn", data={"code": wrong}).status_code == 403
    assert department.browser.post(f"/l/{token}/aabn", data={"code": right}).status_code == 403


def test_codes_are_mailed_no_faster_than_every_half_minute(department):
    _, token = department.forwarded()
    for _ in range(5):
        assert department.browser.post(f"/l/{token}/kode").status_code == 200
    assert len(department.codes) == 1


def test_where_the_code_cannot_be_mailed_the_page_says_so(department):
    _, token = department.forwarded()
    department.trouble = MailNotEncrypted(reason="TLS")
    assert department.browser.post(f"/l/{token}/kode").status_code == 503


@pytest.mark.parametrize("token", ["0" * 32, "x", "../../etc", "f" * 33])
def test_a_link_nobody_made_and_one_too_old_look_the_same(department, token):
    _, real = department.forwarded()
    there = department.browser.get(f"/l/{token}")
    department.clock.late = timedelta(days=15)
    old = department.browser.get(f"/l/{real}")
    assert old.status_code == 404
    assert there.status_code == 404
    if there.headers["content-type"].startswith("text/html"):
        assert there.text == old.text


def test_whoever_opened_it_may_finish_it_or_send_it_back(department):
    item, token = department.forwarded()
    department.opened(token)
    assert "behandlet" in department.browser.post(f"/l/{token}/behandlet").text
    assert department.post.ledger.show_inbound(item)["status"] == "done"
    assert department.browser.post(f"/l/{token}/forkert").status_code == 200
    assert department.post.ledger.show_inbound(item)["status"] == "inbox"


def test_nothing_of_a_page_may_be_kept_or_framed(department):
    _, token = department.forwarded()
    headers = department.browser.get(f"/l/{token}").headers
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"


def test_after_it_stopped_nobody_answers(department):
    department.server.stop()
    with pytest.raises(httpx2.TransportError):
        department.new_browser().get("/l/x")
