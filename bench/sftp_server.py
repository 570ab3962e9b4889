"""The SFTP server that the bench measures: the real way in, shared commits, ledger and vault, in a process.

    python -m bench.sftp_server FOLDER

Writes ``FOLDER/port`` when it listens; SIGTERM ends it. The key of its one account is ``FOLDER/key``.
"""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from bench.accept_server import settings_of
from gateway import log
from gateway.config.settings import Settings
from gateway.ingress.sftp.accounts import Account, AccountKey, public_key, write_account
from gateway.ingress.sftp.keys import make_client_key
from gateway.ingress.sftp.server import SftpServer
from gateway.services.accept import FileCommit
from gateway.storage.store import migrate, open_ledger
from gateway.storage.vault import LocalVault

ACCOUNT = "bench"


class NoOverview:
    """Nobody reads answers here."""

    def files(self, account: str) -> dict[str, bytes]:
        return {}

    def content(self, account: str, name: str) -> bytes | None:
        return None


def sftp_settings(folder: Path) -> Settings:
    """The usual settings, but for a limit that would stop one account from dropping so much."""
    plain = settings_of(folder).model_dump()
    plain["sftp"] |= {"enabled": True, "port": 0}
    plain["drops"] |= {"waiting_files": 10_000_000, "waiting_bytes": 1_000_000_000_000}
    return Settings.model_validate(plain)


async def serve(folder: Path) -> None:
    key = public_key(make_client_key(folder / "key"))
    write_account(folder / "accounts.toml", Account(name=ACCOUNT, keys=(AccountKey(text=key),)))
    url = f"sqlite:///{folder / 'ledger.db'}"
    await asyncio.to_thread(migrate, url)
    ledger = open_ledger(url, lease=timedelta(minutes=1), retry_give_up=timedelta(days=1))
    intake = FileCommit(ledger)
    server = SftpServer(
        sftp_settings(folder), intake=intake, drops=ledger, vault=LocalVault(folder / "vault"), overview=NoOverview(), templates={}
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await intake.start()
    await server.start()
    part = folder / "port.part"
    part.write_text(str(server.port))
    part.rename(folder / "port")
    await stop.wait()
    await server.stop()
    await intake.stop()
    ledger.close()


def main() -> None:
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with Path(os.devnull).open("w") as nowhere:
        log.configure(nowhere)
        asyncio.run(serve(folder))


if __name__ == "__main__":
    main()
