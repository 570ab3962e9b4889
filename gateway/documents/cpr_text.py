"""CPR numbers in titles and file names, however they are written. Used to refuse, never to send."""

from __future__ import annotations

import re
import unicodedata

# Wider than gateway.model.identity.CPR_IN_TEXT: what a person may type into a subject, with spaces,
# dots, dashes or underscores between the parts, and in any script's digits. Longer runs of digits
# are something else. Whether the date exists is not asked: a mistyped number is still a number.
_GAP = r"[\s._/\-\u2010-\u2015\u2212]"
_CPR = re.compile(rf"(?<!\d)\d{{2}}{_GAP}?\d{{2}}{_GAP}?\d{{2}}{_GAP}{{0,3}}\d{{4}}(?!\d)")


def holds_cpr(text: str) -> bool:
    """Whether something in *text* has the form of a CPR number."""
    return _CPR.search(_plain(text)) is not None


def mask_cpr(text: str) -> str:
    """*text* with everything of that form masked; as it is if there is none."""
    return _CPR.sub("xxxxxx-xxxx", _plain(text)) if holds_cpr(text) else text


def _plain(text: str) -> str:
    """*text* without characters nobody sees, and with full-width digits as plain ones."""
    seen = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    return unicodedata.normalize("NFKC", seen)
