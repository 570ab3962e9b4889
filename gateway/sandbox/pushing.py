"""Digital Post's side of REST push: a message handed to a recipient system (reference, digital-post.md, section 2.4)."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx2

from gateway.sandbox.authority import Authority, Pair
from gateway.sandbox.posting import memo_file

_SECONDS = 60


def push_certificate(authority: Authority) -> Pair:
    """What the sandbox shows to those it hands messages to."""
    return authority.client_certificate(authority.folder / "push.crt", authority.folder / "push.key", "Digital Post (sandbox)")


def push(folder: Path, uuid: str, url: str, authority: Authority, shown: Pair | None = None) -> int:
    """Hand the message *uuid*, laid out in *folder*, to *url*; the status that answers. *shown*: another certificate.

    Raises:
        httpx2.HTTPError: it was not answered.
    """
    context = ssl.create_default_context(cafile=str(authority.ca.cert))
    pair = shown or push_certificate(authority)
    context.load_cert_chain(pair.cert, pair.key)
    with httpx2.Client(verify=context, timeout=_SECONDS) as client, memo_file(folder, uuid).open("rb") as memo:
        return client.post(url, files={"file": (uuid, memo, "application/xml")}).status_code
