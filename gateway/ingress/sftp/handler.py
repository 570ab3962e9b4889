"""All that we change in asyncssh: whose CLOSE it was, WRITEs with something behind their data, and what a client
is told of a fault of ours.

asyncssh calls ``SFTPServer.close`` alike for a client's CLOSE and for what a dropped connection left open, and
tells nobody which (sidecar.md, D8). The table of its request handlers is private, so ``install`` looks whether
it is as we know it (asyncssh 2.24) and refuses to start if it is not: a gateway that cannot tell the two apart
sends cut letters.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from asyncssh import sftp
from asyncssh.constants import FXP_CLOSE, FXP_WRITE
from asyncssh.packet import SSHPacket

from gateway import log
from gateway.errors import GatewayError

LATER = "Ikke modtaget: noget mangler hos os lige nu. Prøv igen om lidt."
_Server = TypeVar("_Server", bound=type[sftp.SFTPServer])
_asked: ContextVar[bool] = ContextVar("closed_by_client", default=False)
_installed: list[bool] = []


def closed_by_client() -> bool:
    """Inside ``SFTPServer.close``: the client itself asked for it."""
    return _asked.get()


def keeps_our_words(kind: _Server) -> _Server:
    """Class decorator of a server: whatever goes wrong with us is a temporary failure with one text. asyncssh would
    send the exception's own words to the client.
    """
    for name, method in list(vars(kind).items()):
        if name.startswith("_"):
            continue
        if inspect.iscoroutinefunction(method):
            setattr(kind, name, _kept(method))
        elif inspect.isasyncgenfunction(method):
            setattr(kind, name, _kept_each(method))
    return kind


def _kept(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with _our_words():
            return await method(*args, **kwargs)

    return call


def _kept_each(method: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        with _our_words():
            async for one in method(*args, **kwargs):
                yield one

    return call


@contextmanager
def _our_words() -> Iterator[None]:
    try:
        yield
    except sftp.SFTPError:
        raise
    except GatewayError as error:
        raise sftp.SFTPFailure(LATER) from error
    except Exception as error:
        log.bug(where="sftp", error=error)
        raise sftp.SFTPFailure(LATER) from error


def install() -> None:
    """Put our handlers in asyncssh's table, once.

    Raises:
        RuntimeError: this asyncssh is built differently.
    """
    if _installed:
        return
    handlers = sftp.SFTPServerHandler._packet_handlers  # noqa: SLF001
    known = (handlers.get(FXP_CLOSE), handlers.get(FXP_WRITE))
    wanted = (sftp.SFTPServerHandler._process_close, sftp.SFTPServerHandler._process_write)  # noqa: SLF001
    if known != wanted:
        raise RuntimeError("this asyncssh handles CLOSE and WRITE in a way we do not know")
    handlers[FXP_CLOSE] = _close
    handlers[FXP_WRITE] = _write
    _installed.append(True)


async def _close(handler: Any, packet: SSHPacket) -> None:
    token = _asked.set(True)
    try:
        await sftp.SFTPServerHandler._process_close(handler, packet)  # noqa: SLF001
    finally:
        _asked.reset(token)


async def _write(handler: Any, packet: SSHPacket) -> int:
    """As asyncssh's, but what stands behind the data is let be: rclone 1.60 pads (protocols.md, section 2)."""
    handle = packet.get_string()
    offset = packet.get_uint64()
    data = packet.get_string()
    file = handler._file_handles.get(handle)  # noqa: SLF001
    if not file:
        raise sftp.SFTPInvalidHandle("Invalid file handle")
    return int(await handler._server.write(file, offset, data))  # noqa: SLF001
