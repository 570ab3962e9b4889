"""Merged PDFs that mislead: each names the only letters that may be sent; everything else must be held."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pikepdf
from merged import OWN_CVR, Truth, cpr, cvr
from pikepdf import Array, Dictionary, Name
from reportlab.lib.units import mm
from reportlab.pdfgen import canvas

_rng = random.Random(4711)
A, B, C, D, E, X, Y = (cpr(_rng) for _ in range(7))
COMPANY = cvr(_rng)
UNCHECKED = cpr(_rng, checked=False)


def dashed(digits: str) -> str:
    return f"{digits[:6]}-{digits[6:]}"


@dataclass
class Sheet:
    """A page to be drawn."""

    number: str = ""
    mark: str = ""
    body: tuple[str, ...] = ("Her står noget om en afgørelse.",)
    label: str = "CPR-nr.: "
    draw: Callable[[Any], None] | None = None
    rotate: int = 0
    hide_place: bool = False


@dataclass
class Tricky:
    """Sheets, who owns each letter, and what is done to the file afterwards."""

    sheets: list[Sheet]
    truth: list[Truth]
    after: Callable[[bytes], bytes] | None = None
    options: dict[str, Any] = field(default_factory=dict)


def letter(digits: str, pages: int = 2, *, marks: bool = True, **first: Any) -> list[Sheet]:
    """A well-behaved letter."""
    return [
        Sheet(number=dashed(digits) if page == 1 else "", mark=f"Side {page} af {pages}" if marks else "", **(first if page == 1 else {}))
        for page in range(1, pages + 1)
    ]


def write(tricky: Tricky, path: Path) -> None:
    buffer = io.BytesIO()
    out = canvas.Canvas(buffer, pagesize=(210 * mm, 297 * mm))
    for sheet in tricky.sheets:
        if sheet.rotate:
            out.setPageRotation(sheet.rotate)
        out.setFont("Helvetica", 10)
        if sheet.number and not sheet.hide_place:
            out.drawString(140 * mm, 270 * mm, sheet.label + sheet.number)
        for row, line in enumerate(sheet.body):
            out.drawString(20 * mm, (230 - 7 * row) * mm, line)
        out.drawString(20 * mm, 12 * mm, f"Skolen CVR-nr. {OWN_CVR}")
        out.drawString(170 * mm, 12 * mm, sheet.mark)
        if sheet.draw is not None:
            sheet.draw(out)
        out.showPage()
        if sheet.rotate:
            out.setPageRotation(0)
    out.save()
    content = buffer.getvalue()
    path.write_bytes(tricky.after(content) if tricky.after else content)


def around(*odd: list[Sheet], truth: list[tuple[int, str | None]], **more: Any) -> Tricky:
    """*odd* letters between good ones; *truth*: pages and owner of each odd one, None: nobody may get it."""
    before, behind = (A, B), (C, D)
    sheets, owners = [], []
    for digits in before:
        owners.append(Truth(len(sheets), 2, digits))
        sheets += letter(digits)
    for pages, digits in truth:
        owners.append(Truth(len(sheets) + sum(one[0] for one in truth[: len(owners) - len(before)]), pages, digits))
    for one in odd:
        sheets += one
    for digits in behind:
        owners.append(Truth(len(sheets), 2, digits))
        sheets += letter(digits)
    return Tricky(sheets, owners, **more)


# ── drawing ─────────────────────────────────────────────────────────────────


def text_at(x: float, y: float, text: str, *, size: float = 10, **how: Any) -> Callable[[Any], None]:
    """Millimetres from the lower left."""

    def draw(out: Any) -> None:
        piece = out.beginText(x * mm, y * mm)
        piece.setFont("Helvetica", size)
        if how.get("invisible"):
            piece.setTextRenderMode(3)
        if how.get("white"):
            piece.setFillColorRGB(1, 1, 1)
        if how.get("spacing"):
            piece.setCharSpace(how["spacing"])
        piece.textOut(text)
        out.drawText(piece)

    return draw


def glyph_by_glyph(text: str, step: float, *, order: str = "plain") -> Callable[[Any], None]:
    """Each sign on its own, *step* points further apart than it should be."""

    def draw(out: Any) -> None:
        places, x = [], 140 * mm
        for sign in text:
            places.append((x, sign))
            x += out.stringWidth(sign, "Helvetica", 10) + step
        for at, sign in reversed(places) if order == "backwards" else places:
            out.drawString(at, 270 * mm, sign)

    return draw


def turned(text: str) -> Callable[[Any], None]:
    def draw(out: Any) -> None:
        out.saveState()
        out.translate(8 * mm, 100 * mm)
        out.rotate(90)
        out.drawString(0, 0, text)
        out.restoreState()

    return draw


def boxed(*draws: Callable[[Any], None]) -> Callable[[Any], None]:
    def draw(out: Any) -> None:
        for each in draws:
            each(out)

    return draw


# ── what is done to the file ────────────────────────────────────────────────


def changed(change: Callable[[pikepdf.Pdf], None], **save: Any) -> Callable[[bytes], bytes]:
    def after(content: bytes) -> bytes:
        out = io.BytesIO()
        with pikepdf.open(io.BytesIO(content)) as pdf:
            change(pdf)
            pdf.save(out, **save)
        return out.getvalue()

    return after


def note_with(page: int, text: str, kind: str = "FreeText") -> Callable[[bytes], bytes]:
    """A comment on a page, drawn as such."""

    def change(pdf: pikepdf.Pdf) -> None:
        x, y = 140 * mm, 270 * mm
        look = pdf.make_stream(b"BT /F 10 Tf 0 3 Td (" + text.encode() + b") Tj ET")
        look.Type, look.Subtype = Name.XObject, Name.Form
        look.BBox = Array([0, 0, 160, 14])
        look.Resources = Dictionary(Font=Dictionary(F=Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)))
        note = Dictionary(
            Type=Name.Annot, Subtype=Name(f"/{kind}"), Rect=Array([x, y - 3, x + 160, y + 11]), Contents=text, F=4,
            DA="/F 10 Tf", AP=Dictionary(N=look),
        )  # fmt: skip
        pdf.pages[page].obj.Annots = pdf.make_indirect(Array([pdf.make_indirect(note)]))

    return changed(change)


def hidden_layer(page: int, text: str) -> Callable[[bytes], bytes]:
    """A number in a layer that is switched off."""

    def change(pdf: pikepdf.Pdf) -> None:
        layer = pdf.make_indirect(Dictionary(Type=Name.OCG, Name="skjult"))
        pdf.Root.OCProperties = Dictionary(OCGs=Array([layer]), D=Dictionary(OFF=Array([layer])))
        target = pdf.pages[page]
        target.obj.Resources.Properties = Dictionary(MC0=layer)
        x, y = 140 * mm, 270 * mm
        drawn = f"/OC /MC0 BDC BT /F1 10 Tf {x:.1f} {y:.1f} Td ({text}) Tj ET EMC".encode()
        target.contents_add(pdf.make_stream(drawn))

    return changed(change)


def in_a_form(page: int, text: str) -> Callable[[bytes], bytes]:
    def change(pdf: pikepdf.Pdf) -> None:
        form = pdf.make_stream(f"BT /F 10 Tf {140 * mm:.1f} {270 * mm:.1f} Td ({text}) Tj ET".encode())
        form.Type, form.Subtype = Name.XObject, Name.Form
        form.BBox = Array([0, 0, 600, 850])
        form.Resources = Dictionary(Font=Dictionary(F=Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)))
        target = pdf.pages[page]
        target.obj.Resources.XObject = Dictionary(Fm9=form)
        target.contents_add(pdf.make_stream(b"q /Fm9 Do Q"))

    return changed(change)


def pages_as(order: list[int]) -> Callable[[bytes], bytes]:
    def change(pdf: pikepdf.Pdf) -> None:
        pages = list(pdf.pages)
        new = [pages[at] for at in order]
        del pdf.pages[:]
        pdf.pages.extend(new)

    return changed(change)


def boxes(**values: Any) -> Callable[[bytes], bytes]:
    def change(pdf: pikepdf.Pdf) -> None:
        for page in pdf.pages:
            for key, value in values.items():
                page.obj[f"/{key}"] = value

    return changed(change)


def no_unicode(pdf: pikepdf.Pdf) -> None:
    """The font of every page shows other letters than its codes say, and tells nobody which."""
    for page in pdf.pages:
        for font in page.obj.Resources.Font.values():
            font.Encoding = Dictionary(Type=Name.Encoding, Differences=Array([32, *(Name(f"/g{code}") for code in range(32, 256))]))


def flipped(content: bytes, *, share: float) -> bytes:
    """Bits of the drawing changed, as a bad disk does."""
    raw = bytearray(content)
    rng = random.Random(5)
    begin, end = len(raw) // 10, 9 * len(raw) // 10
    for _ in range(max(1, int((end - begin) * share))):
        raw[rng.randrange(begin, end)] ^= 1 << rng.randrange(8)
    return bytes(raw)


# ── the files ───────────────────────────────────────────────────────────────


def tricky_files() -> dict[str, Tricky]:
    """All of them, by name."""
    return {**_numbers(), **_order(), **_drawing(), **_files()}


def _numbers() -> dict[str, Tricky]:
    return {
        "plain": around(letter(E), truth=[(2, E)]),
        "number in the body only": around(letter(E, hide_place=True, body=(f"Dit barn {dashed(X)} er med",)), truth=[(2, None)]),
        "another number in the body": around(letter(E, body=(f"Din ægtefælle {dashed(X)} er med",)), truth=[(2, E)]),
        "account of the same form in the place": around([Sheet(label="Konto: ", number=dashed(X), mark="Side 1 af 1")], truth=[(1, None)]),
        "case number in the place": around([Sheet(label="Sagsnr.: ", number=dashed(X), mark="Side 1 af 1")], truth=[(1, None)]),
        "invoice number in the place": around([Sheet(label="Faktura ", number=X, mark="Side 1 af 1")], truth=[(1, None)]),
        "phone in the place": around([Sheet(label="Tlf. ", number="33925200", mark="Side 1 af 1")], truth=[(1, None)]),
        "P-number in the place": around([Sheet(label="P-nr. ", number="1006959421", mark="Side 1 af 1")], truth=[(1, None)]),
        "own CVR in the place": around([Sheet(label="CVR-nr. ", number=OWN_CVR, mark="Side 1 af 1")], truth=[(1, None)]),
        "a company": around([Sheet(label="CVR-nr.: ", number=COMPANY, mark="Side 1 af 1")], truth=[(1, COMPANY)]),
        "a company with SE number": around([Sheet(label="SE-nr.: ", number=COMPANY, mark="Side 1 af 1")], truth=[(1, COMPANY)]),
        "two numbers in the place": around([Sheet(number=dashed(E), mark="Side 1 af 1", draw=text_at(140, 268, f"CPR-nr.: {dashed(X)}"))], truth=[(1, None)]),
        "a date that does not exist": around([Sheet(number="310299-1234", mark="Side 1 af 1")], truth=[(1, None)]),
        "a replacement number": around([Sheet(number=f"{int(E[:2]) + 60:02d}{E[2:6]}-{E[6:]}", mark="Side 1 af 1")], truth=[(1, None)]),
        "check digit fails": around([Sheet(number=f"{E[:6]}-{(int(E[6:]) + 1) % 10000:04d}", mark="Side 1 af 1")], truth=[(1, None)]),
        "issued without check digit": around([Sheet(number=dashed(UNCHECKED), mark="Side 1 af 1")], truth=[(1, UNCHECKED)]),
        "nine digits": around([Sheet(number=dashed(E)[:-1], mark="Side 1 af 1")], truth=[(1, None)]),
        "eleven digits": around([Sheet(number=dashed(E) + "0", mark="Side 1 af 1")], truth=[(1, None)]),
        "spaces in the number": around([Sheet(number=" ".join(E), mark="Side 1 af 1")], truth=[(1, E)]),
        "an en dash": around([Sheet(number=E[:6] + "-" + E[6:], label="CPR nr ", mark="Side 1 af 1")], truth=[(1, E)]),
        "no dash": around([Sheet(number=E, mark="Side 1 af 1")], truth=[(1, E)]),
        "no label": around([Sheet(number=dashed(E), label="", mark="Side 1 af 1")], truth=[(1, E)]),
        "dots in the date": around([Sheet(number=f"{E[:2]}.{E[2:4]}.{E[4:6]}-{E[6:]}", mark="Side 1 af 1")], truth=[(1, E)]),
        "label above": around([Sheet(hide_place=True, mark="Side 1 af 1", draw=boxed(text_at(145, 274, "CPR-nr."), text_at(145, 270, dashed(E))))], truth=[(1, E)]),
        "case number below its label": around([Sheet(hide_place=True, mark="Side 1 af 1", draw=boxed(text_at(145, 274, "Sagsnr."), text_at(145, 270, dashed(X))))], truth=[(1, None)]),
        "a case worker's number on every page": _with_worker(),
        "a child's number at the place of a template": _two_places(),
    }  # fmt: skip


def _with_worker() -> Tricky:
    sheets, truth = [], []
    for digits in (A, B, C, D, E):
        truth.append(Truth(len(sheets), 2, digits))
        pages = letter(digits)
        for page in pages:
            page.draw = text_at(20, 270, f"Sagsbehandler {dashed(X)}")
        sheets += pages
    return Tricky(sheets, truth)


def _two_places() -> Tricky:
    sheets, truth = [], []
    rng = random.Random(9)
    for digits in (A, B, C, D, E):
        truth.append(Truth(len(sheets), 1, digits))
        sheets += letter(digits, 1, draw=text_at(20, 250, f"Barnets CPR-nr.: {dashed(cpr(rng))}"))
    return Tricky(sheets, truth)


def _order() -> dict[str, Tricky]:
    two = letter(E), letter(X)
    swapped = [two[0][0], two[1][1], two[1][0], two[0][1]]
    for page, digits in zip(swapped, (E, X, X, E), strict=True):
        page.body = (f"Vedrørende {dashed(digits)}",)
    return {
        "first page missing": around([Sheet(mark="Side 2 af 3"), Sheet(mark="Side 3 af 3")], truth=[(2, None)]),
        "last page missing": around(letter(E, 3)[:2], truth=[(2, None)]),
        "middle page missing": around([letter(E, 3)[0], letter(E, 3)[2]], truth=[(2, None)]),
        "pages of two letters swapped": around(swapped, truth=[(1, E), (1, X), (1, X), (1, E)]),
        "pages of a letter turned round": around(list(reversed(letter(E))), truth=[(2, None)]),
        "blank page between": around(letter(E), [Sheet(body=())], truth=[(2, E), (1, None)]),
        "same person twice": around(letter(E), letter(E), truth=[(2, E), (2, E)]),
        "marks that count through": Tricky(
            [Sheet(number=dashed(d), mark=f"Side {n} af 5") for n, d in enumerate((A, B, C, D, E), 1)],
            [Truth(n, 1, d) for n, d in enumerate((A, B, C, D, E))],
        ),
        "number changes on page two": around([letter(E)[0], Sheet(number=dashed(X), mark="Side 2 af 2")], truth=[(1, None), (1, None)]),
        "no mark on a page": around([letter(E)[0], Sheet()], truth=[(2, None)]),
        "mark in the body": around(letter(E, body=("Se side 1 af 9 i vejledningen",)), truth=[(2, E)]),
        "no marks, other number on page two": Tricky(
            [*letter(A, marks=False), *letter(B, marks=False)[:1], Sheet(body=(f"Vedrører {dashed(X)}",)), *letter(C, marks=False)],
            [Truth(0, 2, A), Truth(2, 2, None), Truth(4, 2, C)],
        ),
        "no marks, number missing on a first page": Tricky(
            [*letter(A, 1, marks=False), Sheet(body=(f"CPR-nr. {dashed(X)}",)), *letter(C, 1, marks=False), *letter(D, 1, marks=False)],
            [Truth(0, 1, A), Truth(1, 1, X), Truth(2, 1, C), Truth(3, 1, D)],
        ),
        "one recipient many times": Tricky(
            [page for d in (A, B, C, D, X, Y, E, E, E, E, E) for page in letter(d, 1)],
            [Truth(n, 1, d if n < 6 else None) for n, d in enumerate((A, B, C, D, X, Y, E, E, E, E, E))],
        ),
        "a letter far too long": Tricky(
            [page for d in (A, B, C, D, X, Y) for page in letter(d, 1)] + [page for d in (cpr(random.Random(n)) for n in range(6)) for page in letter(d, 1)] + letter(E, 30),
            [*(Truth(n, 1, d) for n, d in enumerate((A, B, C, D, X, Y, *(cpr(random.Random(n)) for n in range(6))))), Truth(12, 30, None)],
        ),
    }  # fmt: skip


def _drawing() -> dict[str, Tricky]:
    number = f"CPR-nr.: {dashed(E)}"
    one = lambda draw, **more: around([Sheet(hide_place=True, mark="Side 1 af 1", draw=draw)], truth=[(1, E)], **more)  # noqa: E731 - the shape of most cases
    visible = lambda draw: around([Sheet(number=dashed(E), mark="Side 1 af 1", draw=draw)], truth=[(1, None)])  # noqa: E731
    none = lambda draw: around([Sheet(hide_place=True, mark="Side 1 af 1", draw=draw)], truth=[(1, None)])  # noqa: E731
    return {
        "glyph by glyph, 1 pt": one(glyph_by_glyph(number, 1)),
        "glyph by glyph, 3 pt": one(glyph_by_glyph(number, 3)),
        "glyph by glyph, 6 pt": one(glyph_by_glyph(number, 6)),
        "glyphs drawn backwards": one(glyph_by_glyph(number, 0, order="backwards")),
        "spaced out": one(text_at(140, 270, number, spacing=4)),
        "in two pieces": one(boxed(text_at(140, 270, f"CPR-nr.: {E[:6]}-"), text_at(167.6, 270, E[6:]))),
        "drawn twice, as bold": one(boxed(text_at(140, 270, number), text_at(140.1, 270, number))),
        "broken over a line": one(boxed(text_at(140, 270, f"CPR-nr.: {E[:6]}-"), text_at(140, 266, E[6:]))),
        "turned in the margin": one(turned(number)),
        "white on white alone": none(text_at(140, 270, f"CPR-nr.: {dashed(X)}", white=True)),
        "invisible alone": none(text_at(140, 270, f"CPR-nr.: {dashed(X)}", invisible=True)),
        "tiny alone": none(text_at(140, 270, f"CPR-nr.: {dashed(X)}", size=1)),
        "outside the page": none(text_at(250, 270, f"CPR-nr.: {dashed(X)}")),
        "white beside the visible one": visible(text_at(140, 268, f"CPR-nr.: {dashed(X)}", white=True)),
        "invisible beside the visible one": visible(text_at(20, 100, f"CPR-nr.: {dashed(X)}", invisible=True)),
        "a scan": around([Sheet(hide_place=True, body=(), mark="", draw=lambda out: out.rect(100, 100, 300, 500, fill=1))], truth=[(1, None)]),
        "a page on its side": around(letter(E, rotate=90), truth=[(2, E)]),
        "a page upside down": around(letter(E, rotate=180), truth=[(2, E)]),
        "two columns": around(letter(E, body=("Spalte et", "og mere"), draw=text_at(110, 230, f"Spalte to {dashed(X)}")), truth=[(2, E)]),
    }  # fmt: skip


def _files() -> dict[str, Tricky]:
    good = lambda after, **more: around(letter(E), truth=[(2, E)], after=after, **more)  # noqa: E731
    bare = lambda after: around([Sheet(hide_place=True, mark="Side 1 af 1")], truth=[(1, E)], after=after)  # noqa: E731
    lock = lambda **more: changed(lambda _: None, encryption=pikepdf.Encryption(owner="ejer", user="", **more))  # noqa: E731
    return {
        "typed as a comment": bare(note_with(4, f"CPR-nr. {dashed(E)}")),
        "in a form object": bare(in_a_form(4, f"CPR-nr. {dashed(E)}")),
        "a hidden layer with another number": around(letter(E), truth=[(2, E)], after=hidden_layer(4, f"CPR-nr. {dashed(X)}")),
        "no Unicode in its fonts": around(letter(E), truth=[(2, E)], after=changed(no_unicode)),
        "owner password, RC4 40": good(lock(R=2, aes=False, metadata=False)),
        "owner password, RC4 128": good(lock(R=3, aes=False, metadata=False)),
        "owner password, AES 128": good(lock(R=4, aes=True)),
        "owner password, AES 256": good(lock(R=6)),
        "for the web": good(changed(lambda _: None, linearize=True)),
        "object streams": good(changed(lambda _: None, object_stream_mode=pikepdf.ObjectStreamMode.generate)),
        "cropped": good(boxes(CropBox=Array([20, 20, 590, 830]))),
        "user units": good(boxes(UserUnit=2)),
        "a box that does not begin at zero": good(boxes(MediaBox=Array([-20, -10, 575, 832]))),
        "cut short": good(lambda content: content[: int(len(content) * 0.7)]),
        "rotten": good(lambda content: flipped(content, share=0.01)),
        "a little rotten": good(lambda content: flipped(content, share=0.001)),
        "line ends changed": good(lambda content: content.replace(b"\n", b"\r\n")),
        "rubbish before and after": good(lambda content: b"HTTP/1.1 200 OK\r\n\r\n" + content + b"\0" * 2000),
        "a page there twice": Tricky(
            [*letter(A), *letter(B), *letter(C)], [Truth(0, 2, A), Truth(2, 2, B), Truth(4, 1, None), Truth(5, 2, C)],
            after=pages_as([0, 1, 2, 3, 3, 4, 5]),
        ),
        "one drawing for two pages": good(changed(lambda pdf: setattr(pdf.pages[5].obj, "Contents", pdf.pages[4].obj.Contents))),
    }  # fmt: skip
