"""What an account dropped in the last 30 days, as a page and as a sheet for Excel."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from xml.sax.saxutils import quoteattr

from gateway.model.danish_time import local

_COLUMNS = ("id", "modtaget", "navn", "status", "forsendelses_id", "breve", "afleveret", "afsluttet", "fejl")


def overview_csv(drops: Sequence[dict[str, Any]]) -> bytes:
    """``;``, UTF-8 with a byte order mark, for Excel; no cell begins a formula."""
    lines = [";".join(_COLUMNS)]
    lines += [";".join(_cell(value) for value in _line(drop)) for drop in drops]
    return ("\r\n".join(lines) + "\r\n").encode("utf-8-sig", "replace")


def overview_html(account: str, drops: Sequence[dict[str, Any]], now: datetime) -> bytes:
    """The last 30 days of an account, newest first."""
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in _line(drop)) + "</tr>" for drop in drops)
    parts = [
        f"<h1>Oversigt for {html.escape(account)}</h1>",
        f"<p>De seneste 30 dage, lavet {local(now):%d.%m.%Y kl. %H.%M}. {len(drops)} afleveringer.</p>",
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>",
    ]  # fmt: skip
    return html_page(f"Oversigt for {account}", parts)


_STATES = {"received": "Modtaget", "accepted": "Undervejs", "rejected": "Afvist", "done": "Afsluttet", "again": "Afvist, afleveret igen", "held": "Afventer"}


def _line(drop: dict[str, Any]) -> list[str]:
    letters = [letter for item in drop["items"] for letter in item["letters"]]
    references = [item["reference"].partition("#")[0] for item in drop["items"] if not item["reference"].startswith("sha256:")]
    return [
        drop["id"], moment(datetime.fromisoformat(drop["received_at"])), drop["base"], _STATES.get(drop["state"], drop["state"]),
        references[0] if len(references) == 1 else str(len(references) or ""), str(len(letters)),
        str(sum(letter["send"] in ("sent", "completed") for letter in letters)), str(sum(letter["send"] == "completed" for letter in letters)),
        ", ".join(sorted({fault["kode"] for fault in drop["faults"]})),
    ]  # fmt: skip


def _cell(value: str) -> str:
    safe = f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠") else value
    return '"' + safe.replace('"', '""') + '"' if any(sign in safe for sign in ';"\r\n') else safe


def moment(at: datetime) -> str:
    """In Danish time, with its zone."""
    return local(at).isoformat(timespec="seconds")


_NOTHING_ELSE = quoteattr("default-src 'none'; style-src 'unsafe-inline'")


def html_page(title: str, parts: Sequence[str]) -> bytes:
    """A page of our own: nothing is loaded, nothing runs."""
    style = "body{font:16px system-ui,sans-serif;margin:2rem;max-width:70rem}table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.3rem .6rem;text-align:left}"
    page = (
        f"<!doctype html>\n<html lang=\"da\"><head><meta charset=\"utf-8\"><title>{html.escape(title)}</title>"
        f"<meta http-equiv=\"Content-Security-Policy\" content={_NOTHING_ELSE}>"
        f"<style>{style}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )
    return page.encode("utf-8", "replace")
