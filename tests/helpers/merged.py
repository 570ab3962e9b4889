"""Merged PDFs with ground truth, written by programs that people use: what the tests of dividing are made of."""

from __future__ import annotations

import gc
import html
import io
import random
import shutil
import struct
import subprocess
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path

OWN_CVR = "29189374"
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
"""One that is embedded in part."""
_CPR_WEIGHTS = (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
_CVR_WEIGHTS = (2, 7, 6, 5, 4, 3, 2, 1)
_NAMES = ("Søren Ågård", "Bodil Kjærgaard", "Ærø Nissen", "Åse Østergaard", "Jens Holm", "Mette Lund", "Ida Friis", "Poul Bæk")


@dataclass(frozen=True)
class Truth:
    """A letter as it was written."""

    first: int
    pages: int
    digits: str | None


@dataclass
class PageText:
    """One page: where what stands, in millimetres from the top left."""

    number: str = ""
    lines: list[str] = field(default_factory=list)
    foot: str = ""
    mark: str = ""
    picture: bytes | None = None


@dataclass
class Merged:
    pages: list[PageText]
    truth: list[Truth]
    names: list[str]


def cpr(rng: random.Random, *, checked: bool = True) -> str:
    """A made-up number whose date exists; without check digit only those of 1 January, as they are issued."""
    while True:
        day, month = (1, 1) if not checked else (rng.randint(1, 28), rng.randint(1, 12))
        digits = f"{day:02d}{month:02d}{rng.randint(37, 99):02d}{rng.randint(0, 3)}{rng.randint(0, 999):03d}"
        fits = sum(int(one) * weight for one, weight in zip(digits, _CPR_WEIGHTS, strict=True)) % 11 == 0
        if fits == checked:
            return digits


def cvr(rng: random.Random) -> str:
    while True:
        digits = str(rng.randint(10_000_000, 99_999_999))
        if sum(int(one) * weight for one, weight in zip(digits, _CVR_WEIGHTS, strict=True)) % 11 == 0 and digits != OWN_CVR:
            return digits


def merged(
    letters: int, *, seed: int, marks: bool = True, every_page: bool = False, second: float = 0.15, pictures: bool = False
) -> Merged:
    """Letters of 1 to 4 pages: some to companies, some without check digit, some with another person's number in
    the body; on every page what merely looks like a number.
    """
    rng = random.Random(seed)
    pages: list[PageText] = []
    truth, names = [], []
    for serial in range(letters):
        company = rng.random() < 0.12
        digits = cvr(rng) if company else cpr(rng, checked=rng.random() >= 0.02)
        label = f"CVR-nr.: {digits}" if company else f"CPR-nr.: {digits[:6]}-{digits[6:]}"
        count = rng.choice((1, 2, 2, 2, 3, 4))
        name = f"{rng.choice(_NAMES)} {10_000 + serial}"
        truth.append(Truth(len(pages), count, digits))
        names.append(name)
        picture = png(rng) if pictures else None
        # Without page marks another number on a later page is a reason to ask, and rightly so.
        with_second = rng.random() < second
        for page in range(1, count + 1):
            lines = [f"Kære {name}"] if page == 1 else []
            if with_second and page == (rng.randint(1, count) if marks else 1):
                other = cpr(rng)
                lines.append(f"Barnet med personnummer {other[:6]}-{other[6:]} er omfattet.")
            lines += [f"Linje {row}: {rng.random():.12f} om afgørelsen på skolen" for row in range(rng.randint(8, 18))]
            lines += rng.sample(_distractors(rng), rng.randint(0, 3))
            pages.append(
                PageText(
                    number=label if page == 1 or every_page else "",
                    lines=lines,
                    foot=f"Skolen, CVR-nr. {OWN_CVR}, tlf. 33 92 52 00",
                    mark=f"Side {page} af {count}" if marks else "",
                    picture=picture,
                )
            )
    return Merged(pages, truth, names)


def _distractors(rng: random.Random) -> list[str]:
    case = cpr(rng)
    return [
        f"Telefon {rng.randint(20000000, 99999999)}",
        f"Reg.nr. 1234 Konto {rng.randint(1_000_000_000, 3_000_000_000)}",
        f"Sagsnr. {case}",
        f"EAN 57980{rng.randint(10_000_000, 99_999_999)}",
        f"P-nr. {rng.randint(1_000_000_000, 1_006_959_421)}",
        f"+71<{rng.randint(10**14, 10**15 - 1)}+{rng.randint(10_000_000, 99_999_999)}<",
        f"IBAN DK50 0040 0440 {rng.randint(1000, 9999)} {rng.randint(10, 99)}",
        f"Fakturanr. {rng.randint(10_000_000, 99_999_999)}",
    ]


def png(rng: random.Random, side: int = 80) -> bytes:
    """A small grey picture that no other letter has."""
    rows = b"".join(b"\0" + rng.randbytes(side) for _ in range(side))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# ── the programs ────────────────────────────────────────────────────────────


def by_reportlab(of: Merged, path: Path, *, compressed: bool = True, font: str = "Helvetica") -> None:
    from reportlab.lib.units import mm
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen import canvas

    out = canvas.Canvas(str(path), pagesize=(210 * mm, 297 * mm), pageCompression=int(compressed))
    for page in of.pages:
        out.setFont(font, 10)
        if page.number:
            out.drawString(140 * mm, 270 * mm, page.number)
        for row, line in enumerate(page.lines):
            out.drawString(20 * mm, (240 - 6 * row) * mm, line)
        out.drawString(20 * mm, 12 * mm, page.foot)
        out.drawString(170 * mm, 12 * mm, page.mark)
        if page.picture:
            out.drawImage(ImageReader(io.BytesIO(page.picture)), 20 * mm, 250 * mm, 20 * mm, 20 * mm)
        out.showPage()
    out.save()


def by_fpdf(of: Merged, path: Path, *, font: Path | None = None) -> None:
    from fpdf import FPDF

    out = FPDF(format="A4")
    out.set_auto_page_break(False)
    if font is not None:
        out.add_font("own", fname=str(font))
    for page in of.pages:
        out.add_page()
        out.set_font("own" if font is not None else "Helvetica", size=10)
        for x, y, text in ((140.0, 27.0, page.number), (20.0, 285.0, page.foot), (170.0, 285.0, page.mark)):
            if text:
                out.text(x, y, text)
        for row, line in enumerate(page.lines):
            out.text(20, 57 + 6 * row, line)
        if page.picture:
            out.image(io.BytesIO(page.picture), 20, 27, 20, 20)
    out.output(str(path))


def by_weasyprint(of: Merged, path: Path, *, variant: str | None = None) -> None:
    import base64

    from weasyprint import HTML

    def item(x: float, y: float, text: str) -> str:
        return f'<div style="position:absolute;left:{x}mm;top:{y}mm;white-space:nowrap">{html.escape(text)}</div>' if text else ""

    parts = []
    for page in of.pages:
        inside = item(140, 24, page.number) + item(20, 283, page.foot) + item(170, 283, page.mark)
        inside += "".join(item(20, 54 + 6 * row, line) for row, line in enumerate(page.lines))
        if page.picture:
            source = base64.b64encode(page.picture).decode()
            inside += f'<img alt="kode" style="position:absolute;left:20mm;top:27mm;width:20mm" src="data:image/png;base64,{source}">'
        parts.append(f'<section style="position:relative;width:210mm;height:297mm;break-after:page">{inside}</section>')
    style = "@page{size:A4;margin:0} body{margin:0;font:10pt 'DejaVu Sans'} section:last-child{break-after:auto!important}"
    document = f"<html lang=da><head><title>Breve</title><style>{style}</style></head><body>{''.join(parts)}</body></html>"
    with warnings.catch_warnings():
        # It leaves the colour profile of PDF/A open.
        warnings.simplefilter("ignore", ResourceWarning)
        HTML(string=document).write_pdf(str(path), **({"pdf_variant": variant} if variant else {}))
        gc.collect()


def by_typst(of: Merged, path: Path) -> None:
    import typst

    def item(x: float, y: float, text: str) -> str:
        return f'#place(top + left, dx: {x}mm, dy: {y}mm, text({_quoted(text)}))' if text else ""

    pictures: dict[bytes, str] = {}
    parts = ["#set page(width: 210mm, height: 297mm, margin: 0mm)", "#set text(size: 10pt)"]
    for number, page in enumerate(of.pages):
        if number:
            parts.append("#pagebreak()")
        parts += [item(140, 24, page.number), item(20, 283, page.foot), item(170, 283, page.mark)]
        parts += [item(20, 54 + 6 * row, line) for row, line in enumerate(page.lines)]
        if page.picture:
            name = pictures.setdefault(page.picture, f"p{len(pictures)}.png")
            parts.append(f'#place(top + left, dx: 20mm, dy: 27mm, image("{name}", width: 20mm))')
    folder = path.with_suffix(".typst")
    folder.mkdir()
    for content, name in pictures.items():
        (folder / name).write_bytes(content)
    (folder / "main.typ").write_text("\n".join(part for part in parts if part), encoding="utf-8")
    typst.compile(str(folder / "main.typ"), output=str(path))
    shutil.rmtree(folder)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def by_libreoffice(of: Merged, path: Path, *, tagged: bool = False) -> None:
    """As a mail merge in Writer gives: running text, each page begun by a break."""
    source = path.with_suffix(".fodt")
    source.write_text(_fodt(of), encoding="utf-8")
    profile = path.with_suffix(".profile")
    options = '{"SelectPdfVersion":{"type":"long","value":"2"},"UseTaggedPDF":{"type":"boolean","value":"true"}}'
    form = f"pdf:writer_pdf_Export:{options}" if tagged else "pdf"
    command = [
        "soffice", f"-env:UserInstallation=file://{profile}", "--headless", "--convert-to", form, "--outdir", str(path.parent), str(source)
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    source.unlink()
    shutil.rmtree(profile, ignore_errors=True)


def _fodt(of: Merged) -> str:
    import base64

    def paragraph(style: str, text: str, more: str = "") -> str:
        return f'<text:p text:style-name="{style}">{more}{html.escape(text)}</text:p>'

    body = []
    for page in of.pages:
        picture = ""
        if page.picture:
            data = base64.b64encode(page.picture).decode()
            picture = (
                '<draw:frame text:anchor-type="as-char" svg:width="20mm" svg:height="10mm"><draw:image>'
                f"<office:binary-data>{data}</office:binary-data></draw:image></draw:frame>"
            )
        body.append(paragraph("Top", page.number or "\u00a0"))
        body.append(paragraph("Line", "", picture))
        body += [paragraph("Line", line) for line in page.lines]
        body.append(paragraph("Line", f"{page.foot}  {page.mark}"))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"
 xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" office:version="1.2"
 office:mimetype="application/vnd.oasis.opendocument.text">
<office:automatic-styles>
<style:style style:name="Top" style:family="paragraph"><style:paragraph-properties fo:break-before="page" fo:margin-left="110mm"/></style:style>
<style:style style:name="Line" style:family="paragraph"/>
</office:automatic-styles>
<office:body><office:text>{''.join(body)}</office:text></office:body></office:document>"""


def by_ghostscript(source: Path, path: Path) -> None:
    """What a PDF printer makes of another program's file."""
    command = ["gs", "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "-sDEVICE=pdfwrite", f"-sOutputFile={path}", str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)


def by_ghostscript_of_reportlab(of: Merged, path: Path) -> None:
    source = path.with_suffix(".before.pdf")
    by_reportlab(of, source)
    by_ghostscript(source, path)
    source.unlink()
