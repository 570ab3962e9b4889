"""The gateway itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click

from gateway import __version__, log, rehearsal
from gateway.cli.context import Home, pass_home
from gateway.config import Settings, load_settings
from gateway.errors import NotAllowedNow
from gateway.wiring.whole import Gateway


@click.command()
@pass_home
def serve(home: Home) -> None:
    """Run the gateway until it is told to stop (SIGTERM or Ctrl-C)."""
    log.configure(sys.stdout)
    settings = home.settings
    if settings.environment == "production" and rehearsal.VARIABLE in os.environ:
        raise NotAllowedNow(what=f"{rehearsal.VARIABLE} is set; production does not rehearse crashes.")
    asyncio.run(run(settings))


async def run(
    settings: Settings, *, ready: Callable[[dict[str, int]], None] = lambda ports: None
) -> None:
    """Start the gateway, wait for a signal, finish what is under way.

    Args:
        ready: called with the ports by name once every listener answers.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gateway = Gateway(settings)
    await gateway.start()
    log.started(
        version=__version__, environment=settings.environment, node=gateway.node, **gateway.ports
    )
    try:
        ready(gateway.ports)
        await stop.wait()
    finally:
        await gateway.stop()
        log.stopped(node=gateway.node)


def serve_home(home: str, rehearse: str = "") -> None:
    """As the command, for a supervisor that forks instead of starting Python anew.

    Args:
        rehearse: file for gateway.rehearsal; empty: none.
    """
    if rehearse:
        os.environ[rehearsal.VARIABLE] = rehearse
    with (Path(home) / "gateway.log").open("a", encoding="utf-8", buffering=1) as file:
        log.configure(file)
        asyncio.run(run(load_settings(Path(home))))
