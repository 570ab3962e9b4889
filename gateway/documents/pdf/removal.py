"""Fjern CPR: a number is taken out of what a page draws, not painted over.

The signs that show the number are cut out of the drawing and leave a gap of their width, so nothing else
moves. Whether it worked is not believed: the written file is read again, and a letter in which the number is
still found is held (``numbers_left``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Operator, Pdf, Stream

from gateway.errors import DamagedPdf

_BETWEEN = " \u00a0\u2007\u2009\u202f-\u2010\u2011\u2012\u2013\u2014\u2212\u00ad."
"""What may stand between the digits of a number."""
_DEEPEST = 5  # forms in forms
_STANDARD_WIDTHS = {"Courier": 600.0, "Times": 500.0}  # of a digit; Helvetica and all others 556
_USUAL_WIDTH = 556.0
_NAMES = dict(zip(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "hyphen", "space"), "0123456789- ", strict=True))
_BFCHAR = re.compile(rb"beginbfchar(.*?)endbfchar", re.DOTALL)
_BFRANGE = re.compile(rb"beginbfrange(.*?)endbfrange", re.DOTALL)
_CODESPACE = re.compile(rb"begincodespacerange\s*<([0-9a-fA-F]+)>")
_PAIR = re.compile(rb"<([0-9a-fA-F]+)>\s*<([0-9a-fA-F]+)>")
_RANGE = re.compile(rb"<([0-9a-fA-F]+)>\s*<([0-9a-fA-F]+)>\s*(?:<([0-9a-fA-F]+)>|\[([^\]]*)\])")
_HEX = re.compile(rb"<([0-9a-fA-F]+)>")


def remove_numbers(source: Path, target: Path, numbers: Mapping[int, str]) -> int:
    """Write *source*, a plain file, to *target* without the numbers.

    Args:
        numbers: the digits to remove, by page (from 0).

    Returns:
        On how many pages something was removed.

    Raises:
        DamagedPdf: a page cannot be taken apart.
    """
    try:
        with Pdf.open(source) as pdf:
            done = sum(_Removing(pdf, digits).page(pdf.pages[page].obj) for page, digits in sorted(numbers.items()))
            pdf.save(
                target, object_stream_mode=pikepdf.ObjectStreamMode.disable, compress_streams=True, preserve_pdfa=True,
                stream_decode_level=pikepdf.StreamDecodeLevel.none, static_id=True,
            )  # fmt: skip
            return done
    except (pikepdf.PdfError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        raise DamagedPdf() from None


@dataclass(slots=True)
class _Font:
    """What is known of a font: which codes show a digit or what stands between digits, and how wide they are."""

    bytes_per_code: int = 1
    signs: dict[int, str] = field(default_factory=dict)
    widths: dict[int, float] = field(default_factory=dict)
    usual: float = _USUAL_WIDTH


@dataclass(slots=True)
class _Glyph:
    """One sign of one piece of text."""

    instruction: int
    piece: int
    """Which string of the instruction."""
    at: int
    """Byte of its code in the string."""
    sign: str
    """A digit, something that may stand between digits, or empty for anything else."""


class _Removing:
    def __init__(self, pdf: Pdf, digits: str) -> None:
        self._pdf = pdf
        self._number = re.compile("".join(f"{digit}[{re.escape(_BETWEEN)}]*" for digit in digits[:-1]) + digits[-1])
        self._digits = digits

    def page(self, page: Any) -> bool:
        """Whether the number was on it."""
        resources = page.get("/Resources", Dictionary())
        changed = self._rewrite(page, resources)
        if changed is not None:
            page.Contents = self._pdf.make_stream(changed)
        inside = self._forms(resources, _DEEPEST)
        return changed is not None or inside

    def _forms(self, resources: Any, depth: int) -> bool:
        done = False
        for form in _values(resources.get("/XObject")):
            if depth == 0 or not isinstance(form, Stream) or form.get("/Subtype") != Name.Form:
                continue
            own = form.get("/Resources", resources)
            changed = self._rewrite(form, own)
            if changed is not None:
                form.write(changed)
                done = True
            if "/Resources" in form:
                done = self._forms(own, depth - 1) or done
        return done

    def _rewrite(self, of: Any, resources: Any) -> bytes | None:
        """The drawing of a page or form without the number; None if it has none."""
        fonts = {name: _font(font) for name, font in _items(resources.get("/Font"))}
        instructions: list[Any] = list(pikepdf.parse_content_stream(of))
        text = _Text(instructions, fonts)
        shown = "".join(glyph.sign or "\n" for glyph in text.glyphs)
        doomed = [glyph for hit in self._number.finditer(shown) for glyph in text.glyphs[hit.start() : hit.end()]]
        said = self._without_spoken(instructions, resources)
        if not doomed and not said:
            return None
        text.cut(doomed)
        return pikepdf.unparse_content_stream(instructions)

    def _without_spoken(self, instructions: list[Any], resources: Any) -> bool:
        """Take out what is there to be read aloud or copied instead of what is drawn, if it says the number."""
        done = False
        places = [ops[1] for ops, operator in instructions if operator == Operator("BDC") and len(ops) > 1 and isinstance(ops[1], Dictionary)]
        for properties in [*places, *_values(resources.get("/Properties"))]:
            for key in ("/ActualText", "/Alt", "/E"):
                if isinstance(properties, Dictionary) and key in properties and self._digits in re.sub(r"\D", "", str(properties[key])):
                    del properties[key]
                    done = True
        return done


class _Text:
    """All text of a drawing, in the order in which it is drawn."""

    def __init__(self, instructions: list[Any], fonts: Mapping[str, _Font]) -> None:
        self._instructions = instructions
        self.glyphs: list[_Glyph] = []
        self._state: dict[int, tuple[_Font, float, float]] = {}  # font, its size, extra space after each sign
        font, size, space = _Font(), 1.0, 0.0
        for number, (operands, operator) in enumerate(instructions):
            word = str(operator)
            if word == "Tf":
                font, size = fonts.get(str(operands[0]), _Font()), float(operands[1]) or 1.0
            elif word == "Tc":
                space = float(operands[0])
            elif word == '"':
                space = float(operands[1])
            if word in ("Tj", "TJ", "'", '"'):
                self._state[number] = (font, size, space)
                self._read(number, _strings(operands), font)

    def _read(self, number: int, strings: list[Any], font: _Font) -> None:
        step = font.bytes_per_code
        for piece, text in enumerate(strings):
            if not isinstance(text, pikepdf.String):
                continue
            raw = bytes(text)
            for at in range(0, len(raw) - step + 1, step):
                code = int.from_bytes(raw[at : at + step])
                self.glyphs.append(_Glyph(number, piece, at, font.signs.get(code, "")))

    def cut(self, doomed: list[_Glyph]) -> None:
        """Take *doomed* out of the instructions and leave gaps."""
        by_instruction: dict[int, dict[int, set[int]]] = {}
        for glyph in doomed:
            by_instruction.setdefault(glyph.instruction, {}).setdefault(glyph.piece, set()).add(glyph.at)
        for number in sorted(by_instruction, reverse=True):
            operands, operator = self._instructions[number]
            font, size, space = self._state[number]
            pieces: list[Any] = []
            for piece, text in enumerate(_strings(operands)):
                gone = by_instruction[number].get(piece)
                pieces += [text] if gone is None else _gaps(bytes(text), gone, font, size, space)
            new = [pikepdf.ContentStreamInstruction([Array(pieces)], Operator("TJ"))]
            if str(operator) in ("'", '"'):
                new.insert(0, pikepdf.ContentStreamInstruction([], Operator("T*")))
            if str(operator) == '"':
                new.insert(0, pikepdf.ContentStreamInstruction([operands[1]], Operator("Tc")))
                new.insert(0, pikepdf.ContentStreamInstruction([operands[0]], Operator("Tw")))
            self._instructions[number : number + 1] = new


def _gaps(raw: bytes, gone: set[int], font: _Font, size: float, space: float) -> Iterator[Any]:
    """The string *raw* as pieces of a TJ operator; where a sign is gone stands a gap of its width."""
    kept, gap = b"", 0.0
    step = font.bytes_per_code
    for at in range(0, len(raw), step):
        code = raw[at : at + step]
        if at in gone:
            if kept:
                yield pikepdf.String(kept)
                kept = b""
            gap += font.widths.get(int.from_bytes(code), font.usual) + 1000 * space / size
        else:
            if gap:
                yield -round(gap)
                gap = 0.0
            kept += code
    if kept:
        yield pikepdf.String(kept)
    if gap:
        yield -round(gap)


def _strings(operands: Any) -> list[Any]:
    last = operands[-1]
    return list(last) if isinstance(last, Array) else [last]


def _items(of: Any) -> list[tuple[str, Any]]:
    return [(str(name), value) for name, value in of.items()] if isinstance(of, Dictionary) else []


def _values(of: Any) -> list[Any]:
    return [value for _, value in _items(of)]


def _font(font: Any) -> _Font:
    kind = font.get("/Subtype")
    found = _composite(font) if kind == Name.Type0 else _simple(font)
    if isinstance(font.get("/ToUnicode"), Stream):
        size, signs = _unicode_map(font.ToUnicode.read_bytes())
        found.signs |= signs
        found.bytes_per_code = size if kind == Name.Type0 else 1
    return found


def _simple(font: Any) -> _Font:
    signs = {code: chr(code) for code in (*b"0123456789- .", 0xA0, 0xAD)}
    encoding = font.get("/Encoding")
    if isinstance(encoding, Dictionary):
        code = 0
        for item in encoding.get("/Differences", []):
            if isinstance(item, Name):
                signs[code] = _NAMES.get(str(item)[1:], "")
                code += 1
            else:
                code = int(item)
    name = str(font.get("/BaseFont", ""))
    found = _Font(signs=signs, usual=next((width for part, width in _STANDARD_WIDTHS.items() if part in name), _USUAL_WIDTH))
    scale = float(font.FontMatrix[0]) * 1000 if font.get("/Subtype") == Name.Type3 else 1.0
    first = int(font.get("/FirstChar", 0))
    for place, width in enumerate(font.get("/Widths", [])):
        found.widths[first + place] = float(width) * scale
    return found


def _composite(font: Any) -> _Font:
    below: Any = font.DescendantFonts[0]
    found = _Font(bytes_per_code=2, usual=float(below.get("/DW", 1000)))
    items = list(below.get("/W", []))
    at = 0
    # ISO 32000-1, section 9.7.4.3: c [w1 w2 …], or c_first c_last w.
    while at + 1 < len(items):
        first = int(items[at])
        if isinstance(items[at + 1], Array):
            for place, width in enumerate(items[at + 1]):
                found.widths[first + place] = float(width)
            at += 2
        else:
            last = min(int(items[at + 1]), first + 65535)
            found.widths |= dict.fromkeys(range(first, last + 1), float(items[at + 2]))
            at += 3
    return found


def _unicode_map(cmap: bytes) -> tuple[int, dict[int, str]]:
    """Bytes of a code, and what each code of interest shows."""
    space = _CODESPACE.search(cmap)
    signs: dict[int, str] = {}
    for block in _BFCHAR.findall(cmap):
        for code, text in _PAIR.findall(block):
            signs[int(code, 16)] = _sign(text)
    for block in _BFRANGE.findall(cmap):
        for first, last, start, each in _RANGE.findall(block):
            low, high = int(first, 16), min(int(last, 16), int(first, 16) + 65535)
            texts = _HEX.findall(each) if each else None
            for place, code in enumerate(range(low, high + 1)):
                if texts is not None:
                    signs[code] = _sign(texts[place]) if place < len(texts) else ""
                else:
                    signs[code] = _known(chr(int(start, 16) + place)) if len(start) <= 4 else ""
    return (len(space[1]) // 2 if space else 2), signs


def _sign(text: bytes) -> str:
    return _known(bytes.fromhex(text.decode()).decode("utf-16be", "replace")) if len(text) % 2 == 0 else ""


def _known(text: str) -> str:
    return text if len(text) == 1 and (text in "0123456789" or text in _BETWEEN) else ""
