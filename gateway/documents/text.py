"""The text of a document, for rules that ask for it. Runs in a limited worker, as ``gateway.documents.pdf`` does."""

from __future__ import annotations

from pathlib import Path

import pypdfium2

from gateway.documents.html_text import decoded, html_text

LONGEST = 1_000_000
"""Characters that are looked at."""


def text_of(file: Path, media_type: str) -> str | None:
    """The text of a PDF, in the order of its pages, of a web page or of a plain text; at most LONGEST characters.

    Returns:
        None: it has another type, or cannot be read.
    """
    if media_type == "text/plain":
        return file.read_bytes()[: 4 * LONGEST].decode("utf-8", "replace")[:LONGEST]
    if media_type == "text/html":
        return html_text(decoded(file.read_bytes()[: 4 * LONGEST]))[:LONGEST]
    return _pdf_text(file) if media_type == "application/pdf" else None


def _pdf_text(file: Path) -> str | None:
    try:
        pdf = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError:
        return None
    found: list[str] = []
    length = 0
    try:
        for number in range(len(pdf)):
            page = pdf[number]
            text = page.get_textpage()
            found.append(text.get_text_bounded())
            text.close()
            page.close()
            length += len(found[-1]) + 1
            if length > LONGEST:
                break
    except pypdfium2.PdfiumError:
        # The pages before it are still worth asking.
        pass
    finally:
        pdf.close()
    return "\n".join(found)[:LONGEST]
