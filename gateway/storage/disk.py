"""What the vault asks of the local disk: flushed folders, and the system's errors as ours."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import DiskFull, OurError

BLOCK = 1024 * 1024
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def flush_folder(folder: Path) -> None:
    """Make the names in *folder* survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def answering() -> Iterator[None]:
    """The system's errors become ours; unknown ones too, as temporary."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise DiskFull() from None
        raise OurError() from error
