"""The server that the bench measures: the real way in, group commit, ledger and vault, in a process.

    python -m bench.accept_server FOLDER

Writes ``FOLDER/port`` when it listens; SIGTERM ends it. Loopback may send in the clear as a relay.
"""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from gateway import log
from gateway.config.settings import Settings
from gateway.ingress.smtp.server import SmtpServer
from gateway.services.accept import GroupCommit
from gateway.storage.store import migrate, open_ledger
from gateway.storage.vault import LocalVault


def settings_of(folder: Path) -> Settings:
    """The usual settings, but for limits that would stop one machine from sending so much."""
    relay = {
        "name": "bench",
        "networks": ["127.0.0.0/8"],
        "domains": ["skole.example.dk"],
        "plaintext": True,
    }
    return Settings.model_validate(
        {
            "home": folder,
            "organisation": {"name": "Skolen", "cvr": "12345674"},
            "smtp": {
                "port": 0,
                "domains": ["dp.example.dk"],
                "relays": [relay],
                "limits": {"connections_per_address": 500},
            },
            "digital_post": {"base_url": "https://127.0.0.1/apis/v1", "system_id": "bench"},
            "mail": {"sender": "digitalpost@dp.example.dk"},
        }
    )


def certificate(folder: Path) -> None:
    (folder / "tls").mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-subj", "/CN=localhost", "-keyout", "smtp.key", "-out", "smtp.crt"],
        cwd=folder / "tls", check=True, capture_output=True,
    )  # fmt: skip


async def serve(folder: Path) -> None:
    settings = settings_of(folder)
    url = f"sqlite:///{folder / 'ledger.db'}"
    await asyncio.to_thread(migrate, url)
    ledger = open_ledger(url, lease=timedelta(minutes=1), retry_give_up=timedelta(days=1))
    intake = GroupCommit(ledger)
    server = SmtpServer(
        settings, intake=intake, vault=LocalVault(folder / "vault"), loop_id="bench.example.dk"
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await intake.start()
    await server.start()
    part = folder / "port.part"
    part.write_text(str(server.ports["smtp"]))
    part.rename(folder / "port")
    await stop.wait()
    await server.stop(timedelta(seconds=1))
    await intake.stop()
    ledger.close()


def main() -> None:
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    certificate(folder)
    with Path(os.devnull).open("w") as nowhere:
        log.configure(nowhere)
        asyncio.run(serve(folder))


if __name__ == "__main__":
    main()
