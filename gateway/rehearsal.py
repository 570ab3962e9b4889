"""Named points at which a rehearsal kills the process; nothing happens anywhere else.

The promises of ``docs/flow.md`` ("Power fails …") are tested by SIGKILL at these points of the real
process. ``GATEWAY_REHEARSE`` names a file; when that file holds the name of a point, the process
removes the file and dies the next time it gets there: once, so that the next process lives. With an
item's id after the name it dies only there with that item.
Production refuses to start with the variable set.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

VARIABLE = "GATEWAY_REHEARSE"

POINTS = {
    "vault.written": "bytes are written, not yet under their name",
    "accept.bytes": "bytes are durable in the vault, the row is not",
    "accept.row": "the row is committed, nobody was told yes",
    "drop.bytes": "a dropped file is durable in the vault, its row is not",
    "drop.row": "the row of a dropped file is committed, its client was not told yes",
    "gather.judged": "it is known which files belong together, not yet written",
    "gather.kept": "a drop and its submissions are written",
    "folder.taken": "a file of a share is written down, and still lies there",
    "folder.written": "an answer is written to a share, not yet noted so",
    "read.parsed": "the letters are known, not yet written",
    "route.decided": "the decision is made, not yet written",
    "ship.taken": "they took it, we have not written so",
    "mass.begun": "the intents of a container's letters are written, it is not sent yet",
    "mass.taken": "they took a container, we have not written so",
    "collect.stored": "post to us is written down, its mailbox was not told",
    "collect.confirmed": "its mailbox was told that we have it, we have not written so",
    "distribute.decided": "it is decided whose post it is, not yet written",
    "forward.taken": "the next hop took the mail to a department, we have not written so",
    "settle.stored": "the receipt is stored, not yet confirmed",
}

def at(point: str, item: str = "") -> None:
    """Die here if a rehearsal asks for it, as a power cut would: no handler, no clean-up."""
    named = os.environ.get(VARIABLE)
    if named is None:
        return
    file = Path(named)
    try:
        if file.read_text().strip() not in (point, f"{point} {item}"):
            return
        file.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
