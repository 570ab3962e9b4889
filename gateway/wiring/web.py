"""The servers that speak HTTP: pages behind links, and the door that Digital Post hands messages in at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway.config import Settings
from gateway.config.settings import Links, Push
from gateway.model.inbound import Forwardable
from gateway.model.submission import Blob
from gateway.notices.forwarded import shown_name
from gateway.ports import Clock
from gateway.storage.store import SqlLedger
from gateway.storage.vault import LocalVault

# Loaded only where something listens: a web framework takes as long to load as the rest of a gateway.
if TYPE_CHECKING:
    from gateway.https import WebServer


def link_server(
    settings: Settings, ledger: SqlLedger, vault: LocalVault, clock: Clock, *, send_code: Callable[[Forwardable, str], None]
) -> WebServer | None:
    """The pages behind links; None: there are none."""
    if not settings.links.enabled:
        return None
    from gateway.https import WebServer
    from gateway.links.app import LinkPages, link_app

    pages = LinkPages(
        ledger,
        ledger,
        vault,
        clock,
        organisation=settings.organisation.name,
        send_code=send_code,
        name_of=shown_name,
        lasts=settings.links.lasts,
    )
    return WebServer(link_app(pages), section="links", **_listens(settings, settings.links))


def push_server(settings: Settings, vault: LocalVault, takes: Mapping[str, Callable[[str, Blob], bool]]) -> WebServer | None:
    """The door for messages that are pushed; None: there is none."""
    push = settings.push
    if not push.enabled or push.client_ca is None:
        return None
    from gateway.https import Clients, WebServer
    from gateway.ingress.push.app import push_app

    clients = Clients(ca=settings.path(push.client_ca), fingerprints=push.clients)
    return WebServer(push_app(takes, vault), section="push", clients=clients, **_listens(settings, push))


def _listens(settings: Settings, at: Links | Push) -> dict[str, Any]:
    """Where, and with which certificate: its own, or that of SMTP."""
    own = at.certificate is not None
    return {
        "host": at.host,
        "port": at.port,
        "certificate": settings.path(at.certificate or settings.smtp.certificate),
        "key": settings.path((at.key if own else None) or settings.smtp.key),
    }
