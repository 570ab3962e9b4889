"""Whether a file is whole for its format: its end is where the format says an end is.

A client that is stopped in the middle of an upload sends the same CLOSE as one that is done (protocols.md,
section 2), so the bytes themselves are asked. Cheap: ends are looked at, content is not parsed.
"""

from __future__ import annotations

import zipfile
from io import BytesIO
from xml.parsers import expat

_TAIL = 1024
_BROKEN = (OSError, ValueError, zipfile.BadZipFile, NotImplementedError)


def whole(name: str, content: bytes) -> bool | None:
    """True: it ends as it should; False: it does not; None: its format has no end that could be seen."""
    ending = name.rpartition(".")[2].lower()
    if content[:1024].find(b"%PDF-") >= 0 or ending == "pdf":
        return b"%%EOF" in content[-_TAIL:]
    if content.startswith(b"PK") or ending in ("zip", "docx", "xlsx"):
        return _zip(content)
    if content.startswith(b"\x89PNG") or ending == "png":
        return content[-12:-4].endswith(b"IEND") or b"IEND\xaeB`\x82" in content[-64:]
    if content.startswith(b"\xff\xd8\xff") or ending in ("jpg", "jpeg"):
        return b"\xff\xd9" in content[-64:]
    if ending == "xml":
        return _xml(content)
    if ending in ("html", "htm"):
        return b"</html>" in content[-_TAIL:].lower()
    return None


def _zip(content: bytes) -> bool:
    try:
        with zipfile.ZipFile(BytesIO(content)):
            return True
    except _BROKEN:
        return False


def _xml(content: bytes) -> bool:
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise ValueError

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError):
        return False
    finally:
        parser.StartDoctypeDeclHandler = None
    return True
