"""Single letters a second to the sandbox over mutual TLS, beside a bare loop that posts such bytes.

    python -m bench.ship [--rounds 5] [--letters 200] [--in-flight 8] [--size 30000] [--folder var/bench-ship]

The sandbox is a process of its own and lasts for all rounds. Ours is the whole service: claim, render,
intent, call, answer, all of it durable (SQLite, synchronous=FULL). The peer is httpx2 alone: as many
threads, kept-alive connections, bytes made beforehand. Runs are interleaved, the middle one counts.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import logging
import shutil
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import structlog

from bench.letters import arrival, route_end
from gateway.cli.demo_letter import sample_pdf
from gateway.config import Settings
from gateway.digital_post.client import NgdpClient
from gateway.egress.digital_post import DigitalPost
from gateway.model.identity import Cpr
from gateway.model.letter import Document, Letter
from gateway.model.shipment import Sendable
from gateway.model.submission import Blob
from gateway.ports import Claim, ReadEnd
from gateway.services.ship import Ship
from gateway.storage.store import SqlLedger, migrate, open_ledger
from gateway.storage.vault import LocalVault
from gateway.wiring.whole import SystemClock

TARGET = 0.8
LEASE = timedelta(minutes=10)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--letters", type=int, default=200)
    parser.add_argument("--in-flight", type=int, default=8)
    parser.add_argument("--size", type=int, default=30_000, help="bytes of the letter's document")
    parser.add_argument("--folder", type=Path, default=Path("var/bench-ship"))
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    try:
        _compare(options.folder.absolute(), options)
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)
    return 0


def _compare(folder: Path, options: argparse.Namespace) -> None:
    with _sandbox(folder) as endpoints, _road(folder, endpoints, options) as road:
        road.bare(road.bodies(50))
        road.ours(50)
        bare: list[float] = []
        ours: list[float] = []
        for turn in range(options.rounds):
            bodies = road.bodies(options.letters)
            for peer in (True, False) if turn % 2 == 0 else (False, True):
                (bare if peer else ours).append(
                    road.bare(bodies) if peer else road.ours(options.letters)
                )
    ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    print(f"{options.in_flight} in flight, document of {options.size} bytes, letters/s, lowest, highest")
    for name, rates in (("bare httpx2 loop", bare), ("ship service", ours)):
        print(f"{name:<20}{statistics.median(rates):>8.0f}{min(rates):>8.0f}{max(rates):>8.0f}")
    print(f"ratio {ratio:.2f} (target {TARGET})")


@contextlib.contextmanager
def _sandbox(folder: Path) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "gateway", "--home", str(folder), "sandbox", "serve", "--port", "0"]
    process = subprocess.Popen([*command, "--delay", "86400"], stdout=subprocess.DEVNULL)
    file = folder / "sandbox" / "endpoints.json"
    try:
        while not file.exists():
            if process.poll() is not None:
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.05)
        yield json.loads(file.read_text())
    finally:
        process.terminate()
        process.wait(60)


class _Road:
    """A ledger and a vault with letters, and both ways to send them."""

    def __init__(
        self, folder: Path, endpoints: dict[str, Any], settings: Settings, in_flight: int, size: int
    ) -> None:
        url = f"sqlite:///{folder / 'ledger.db'}"
        migrate(url)
        self.ledger: SqlLedger = open_ledger(url, lease=LEASE, retry_give_up=timedelta(hours=24))
        self._vault = LocalVault(folder / "vault")
        self._client = NgdpClient(settings, endpoints["token"], clock=SystemClock())
        self._post = DigitalPost(client=self._client, vault=self._vault, settings=settings)
        self._ship = Ship(
            "send",
            self.ledger,
            {"digital-post": self._post},
            SystemClock(),
            waits=(timedelta(minutes=1),),
            lease=LEASE,
            longest_call=timedelta(seconds=40),
            in_flight=in_flight,
        )
        self._url = f"{settings.digital_post.base_url}/memos/"
        self._login = f"{settings.digital_post.system_id}:{endpoints['token']}"
        self._tls = ssl.create_default_context(cafile=endpoints["ca"])
        self._tls.load_cert_chain(endpoints["cert"], endpoints["key"])
        self._in_flight = in_flight
        document = sample_pdf("Kaere elev").ljust(size, b"\n")
        self._document = self._vault.put(document)
        self._numbers = iter(range(10**9))

    def close(self) -> None:
        self._ship.close()
        self._client.close()
        self.ledger.close()

    def bodies(self, count: int) -> list[tuple[str, bytes]]:
        """UUIDs and messages of *count* letters, which are not sent by us."""
        self._due(count)
        claims: list[Claim[Sendable]] = self.ledger.claim_shipments("send", count)
        made = []
        for claim in claims:
            blob: Blob = self._post.render(claim.item)
            made.append((claim.item.shipment.key, self._vault.read(blob)))
        return made

    def bare(self, bodies: list[tuple[str, bytes]]) -> float:
        login = base64.b64encode(self._login.encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/xml"}
        limits = httpx2.Limits(max_connections=self._in_flight)
        with httpx2.Client(verify=self._tls, headers=headers, limits=limits, trust_env=False) as http:

            def post(letter: tuple[str, bytes]) -> None:
                key, body = letter
                answer = http.post(self._url, params={"memo-message-uuid": key}, content=body)
                answer.raise_for_status()

            with ThreadPoolExecutor(self._in_flight) as threads:
                began = time.perf_counter()
                list(threads.map(post, bodies))
        return len(bodies) / (time.perf_counter() - began)

    def ours(self, count: int) -> float:
        self._due(count)
        began = time.perf_counter()
        sent = 0
        while offered := self._ship.work():
            sent += offered
        took = time.perf_counter() - began
        waiting = self.ledger.counts()
        if sent != count or waiting.get("shipments.failed"):
            raise RuntimeError(f"{sent} of {count} letters were offered: {waiting}")
        return count / took

    def _due(self, count: int) -> None:
        """*count* letters that wait to be sent."""
        self.ledger.add([arrival(next(self._numbers)) for _ in range(count)])
        reads = self.ledger.claim_unread(count)
        self.ledger.reads_ended([(claim, self._read_end(claim.item.id)) for claim in reads])
        letters = self.ledger.claim_unrouted(count)
        self.ledger.routings_ended([(claim, route_end()) for claim in letters])

    def _read_end(self, submission_id: str) -> ReadEnd:
        document = Document(
            name="brev.pdf",
            media_type="application/pdf",
            digest=self._document.digest,
            size_bytes=self._document.size_bytes,
            role="main",
            pages=1,
        )
        letter = Letter(
            submission_id=submission_id,
            index=1,
            recipient=Cpr("0101011234"),
            title="Et brev",
            documents=(document,),
        )
        return ReadEnd(title="Et brev", letters=[letter])


@contextlib.contextmanager
def _road(folder: Path, endpoints: dict[str, Any], options: argparse.Namespace) -> Iterator[_Road]:
    settings = Settings.model_validate(
        {
            "home": folder,
            "organisation": {"name": "Skolen", "cvr": "12345674"},
            "smtp": {"domains": ["dp.example.dk"]},
            "digital_post": {
                "base_url": f"{endpoints['url']}/apis/v1",
                "system_id": endpoints["system"],
                "certificate": endpoints["cert"],
                "key": endpoints["key"],
                "ca": endpoints["ca"],
                "in_flight": options.in_flight,
            },
            "mail": {"sender": "digitalpost@dp.example.dk"},
        }
    )
    road = _Road(folder, endpoints, settings, options.in_flight, options.size)
    try:
        yield road
    finally:
        road.close()


if __name__ == "__main__":
    sys.exit(main())
