"""A second opinion from the official XSD, when the operator has it (it is not shipped with us)."""

from __future__ import annotations

import threading
from pathlib import Path

from lxml import etree

from gateway.errors import ConfigError
from gateway.sandbox.judge import Fault
from gateway.sandbox.mailroom import ExtraCheck

_ENTRY = "MeMo_core.xsd"


def official_schema(folder: Path) -> ExtraCheck:
    """A check against ``MeMo_core.xsd`` in *folder*, for messages of the version it says it is.

    Raises:
        ConfigError: there is no such file, or it is not a schema.
    """
    try:
        document = etree.parse(folder / _ENTRY)
        schema = etree.XMLSchema(document)
    except (OSError, etree.LxmlError):
        raise ConfigError(problems=f"--xsd: expected a folder with a readable {_ENTRY}.") from None
    version = document.getroot().get("version", "")
    one_at_a_time = threading.Lock()

    def check(memo: Path, memo_version: str) -> Fault | None:
        if memo_version != version:
            return None
        # A document of 70 MB is one text node: huge_tree, behind the mailroom's own size limit.
        parser = etree.XMLParser(
            huge_tree=True, resolve_entities=False, no_network=True, load_dtd=False
        )
        message = etree.parse(memo, parser)
        # The schema object keeps the errors of its last run.
        with one_at_a_time:
            holds = schema.validate(message)
        if holds:
            return None
        return Fault(
            code="memo.invalid", rule="official schema", sentence="the official schema refuses it"
        )

    return check
