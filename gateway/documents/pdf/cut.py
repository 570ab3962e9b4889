"""Letters out of a plain file (``plain``): slices of its bytes with their objects numbered anew.

The file was written by qpdf: every object is one slice, numbered in the order of the file, with nothing in
object streams. So a letter needs no parser: its pages and what they refer to are copied, references are
renumbered, and what refers to a page outside the letter becomes null. The same pages give the same bytes every
time: they are made when a letter is sent, and their digest is what the ledger remembers. Measured at a
thousandth of the cost of writing thousands of files (reference, pdf.md, section 2.4).
"""

from __future__ import annotations

import hashlib
import mmap
import re
from pathlib import Path

from gateway.errors import DamagedPdf

_HEADER = b"%PDF-1.7\n%\xbf\xf7\xa2\xfe\n"
_REFERENCE = re.compile(rb"(?<![\w.+-])(\d+) 0 R(?!\w)")
# qpdf writes a parenthesis inside a string with a backslash before it.
_STRING = re.compile(rb"\((?:[^()\\]|\\.)*\)", re.DOTALL)
_PARENT = re.compile(rb"/Parent \d+ 0 R")
# What belongs to the whole document, in fonts and pictures as well as pages.
_OF_THE_WHOLE = re.compile(rb"/(?:Metadata|PieceInfo|StructParents?) \d+(?: 0 R)?")
_METADATA = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"><pdfaid:part>%s</pdfaid:part><pdfaid:conformance>%s</pdfaid:conformance>'
    b'</rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
)
_CATALOG, _PAGES = 1, 2  # object numbers in every letter


class PlainFile:
    """A plain file, open for cutting. Not to be shared between threads at the same time."""

    def __init__(self, path: Path, *, pdfa: str = "") -> None:
        """
        Args:
            pdfa: as in ``Plain``; says the same of the letters.

        Raises:
            DamagedPdf: it is not as ``make_plain`` writes it.
        """
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._pdfa = pdfa
        self._heads: dict[int, tuple[bytes, bytes]] = {}
        self._reached: dict[int, tuple[int, ...]] = {}
        try:
            self._offsets = self._read_table()
            root = self._read_trailer()
            self._root, self._tree, self._page_objects = self._read_tree(root)
        except (ValueError, IndexError, TypeError):
            self._bytes.close()
            raise DamagedPdf() from None
        self._not_ours = {*self._page_objects, self._root, self._tree}
        self._seen: set[int] = set()
        self._shared: set[int] = set()

    @property
    def pages(self) -> int:
        return len(self._page_objects)

    def close(self) -> None:
        self._bytes.close()

    def letter(self, first: int, pages: int) -> bytes:
        """A whole PDF of *pages* pages from page *first* (from 0) on.

        Raises:
            DamagedPdf: there are no such pages.
        """
        if first < 0 or pages < 1 or first + pages > len(self._page_objects):
            raise DamagedPdf()
        own = self._page_objects[first : first + pages]
        heads = [_OF_THE_WHOLE.sub(b"", _PARENT.sub(b"", self._head(each)[0])) for each in own]
        numbers: dict[int, int] = {each: number for number, each in enumerate(own, _PAGES + 1)}
        follow: list[int] = []
        for reference in (*_references(self._intents), *(one for head in heads for one in _references(head))):
            for each in self._reach(reference):
                if each not in numbers:
                    numbers[each] = _PAGES + 1 + len(numbers)
                    follow.append(each)
        out = _Out()
        for each, head in zip(own, heads, strict=True):
            out.add(numbers[each], self._renumbered(head, numbers).replace(b"<<", b"<< /Parent 2 0 R", 1))
        for each in follow:
            head, stream = self._head(each)
            out.add(numbers[each], self._renumbered(_OF_THE_WHOLE.sub(b"", head), numbers) + stream)
            self._forget(each)
        return self._finish(out, own, numbers)

    def _finish(self, out: _Out, own: list[int], numbers: dict[int, int]) -> bytes:
        extra = b""
        if self._intents:
            extra += b" /OutputIntents " + self._renumbered(self._intents, numbers)
        if self._language:
            extra += b" /Lang " + self._language
        if self._pdfa:
            said = _METADATA % (self._pdfa[0].encode(), self._pdfa[1:].encode())
            number = _PAGES + 1 + len(numbers)
            out.add(number, b"<< /Type /Metadata /Subtype /XML /Length %d >>\nstream\n%s\nendstream" % (len(said), said))
            extra += b" /Metadata %d 0 R" % number
        kids = b" ".join(b"%d 0 R" % numbers[each] for each in own)
        out.add(_CATALOG, b"<< /Type /Catalog /Pages 2 0 R%s >>" % extra)
        out.add(_PAGES, b"<< /Type /Pages /Count %d /Kids [ %s ] >>" % (len(own), kids))
        return out.finish()

    # ── the plain file ──────────────────────────────────────────────────────

    def _read_table(self) -> list[int]:
        """Offset of each object by its number, and behind the last one that of the table."""
        end = self._bytes.rfind(b"startxref")
        table = int(self._bytes[end + 9 : end + 40].split()[0])
        begin = self._bytes.find(b"\n", table + 5) + 1
        count = int(self._bytes[table + 5 : begin].split()[1])
        rows = self._bytes[begin : begin + 20 * count]
        offsets = [int(rows[at : at + 10]) for at in range(0, 20 * count, 20)]
        offsets.append(table)
        if offsets[1:] != sorted(offsets[1:]) or len(rows) != 20 * count:
            raise ValueError("not written by make_plain")
        self._trailer = self._bytes[begin + 20 * count : end]
        return offsets

    def _read_trailer(self) -> int:
        found = re.search(rb"/Root (\d+) 0 R", self._trailer)
        if found is None:
            raise ValueError("no root")
        return int(found[1])

    def _read_tree(self, root: int) -> tuple[int, int, list[int]]:
        head = self._head(root)[0]
        tree = re.search(rb"/Pages (\d+) 0 R", head)
        intents = re.search(rb"/OutputIntents (\[[^\]]*\]|\d+ 0 R)", head)
        language = re.search(rb"/Lang (\((?:[^()\\]|\\.)*\)|<[0-9a-fA-F]*>)", head)
        if tree is None:
            raise ValueError("no pages")
        self._intents = intents[1] if intents else b""
        self._language = language[1] if language else b""
        kids = re.search(rb"/Kids \[(.*?)\]", self._head(int(tree[1]))[0], re.DOTALL)
        if kids is None:
            raise ValueError("no pages")
        return root, int(tree[1]), [int(number) for number in _REFERENCE.findall(kids[1])]

    def _head(self, number: int) -> tuple[bytes, bytes]:
        """The object before its stream, and from ``stream`` to ``endstream``; the latter may be empty."""
        kept = self._heads.get(number)
        if kept is not None:
            return kept
        whole = self._bytes[self._offsets[number] : self._offsets[number + 1]]
        whole = whole[whole.index(b" obj\n") + 5 :]
        end = whole.rindex(b"endobj")
        inside = whole[:end].rstrip(b"\n")
        if not inside.endswith(b"endstream"):
            found = (inside, b"")
        else:
            at = inside.index(b"\nstream\n")
            # The dictionary ends right before its stream; the word may stand in a string of it as well.
            while not inside[:at].endswith(b">>"):
                at = inside.index(b"\nstream\n", at + 1)
            found = (inside[:at], inside[at:])
        self._heads[number] = found
        return found

    def _forget(self, number: int) -> None:
        """Keep in memory only what a second letter asks for: fonts and logos, not everybody's pages."""
        if number in self._shared:
            return
        if number in self._seen:
            self._shared.add(number)
        else:
            self._seen.add(number)
            self._heads.pop(number, None)
            self._reached.pop(number, None)

    def _reach(self, number: int) -> tuple[int, ...]:
        """*number* and all it refers to, in a fixed order, without pages and what holds them together."""
        kept = self._reached.get(number)
        if kept is not None:
            return kept
        if number in self._not_ours or not 0 < number < len(self._offsets) - 1:
            return ()
        order, waiting = {number: None}, [number]
        while waiting:
            for each in _references(self._head(waiting.pop())[0]):
                if each not in order and each not in self._not_ours and 0 < each < len(self._offsets) - 1:
                    order[each] = None
                    waiting.append(each)
        self._reached[number] = tuple(order)
        return self._reached[number]

    def _renumbered(self, head: bytes, numbers: dict[int, int]) -> bytes:
        def new(hit: re.Match[bytes]) -> bytes:
            number = numbers.get(int(hit[1]))
            return b"null" if number is None else b"%d 0 R" % number

        if b"(" not in head:
            return _REFERENCE.sub(new, head)
        # Strings are left as they are: what looks like a reference in them is text.
        parts, at = [], 0
        for text in _STRING.finditer(head):
            parts += [_REFERENCE.sub(new, head[at : text.start()]), text[0]]
            at = text.end()
        parts.append(_REFERENCE.sub(new, head[at:]))
        return b"".join(parts)


class _Out:
    """A PDF being written."""

    def __init__(self) -> None:
        self._parts = [_HEADER]
        self._at = len(_HEADER)
        self._offsets: dict[int, int] = {}

    def add(self, number: int, inside: bytes) -> None:
        self._offsets[number] = self._at
        part = b"%d 0 obj\n%s\nendobj\n" % (number, inside)
        self._parts.append(part)
        self._at += len(part)

    def finish(self) -> bytes:
        count = len(self._offsets) + 1
        table = b"".join(b"%010d 00000 n \n" % self._offsets[number] for number in range(1, count))
        body = b"".join(self._parts)
        # Derived from the content: the same letter is the same bytes, today and after a restart.
        name = hashlib.sha256(body).hexdigest()[:32].encode()
        return b"%sxref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R /ID [<%s><%s>] >>\nstartxref\n%d\n%%%%EOF\n" % (
            body, count, table, count, name, name, self._at,
        )  # fmt: skip


def _references(head: bytes) -> list[int]:
    """Numbers of the objects that *head* refers to, each once, in order."""
    if b"(" in head:
        head = _STRING.sub(b"()", head)
    return list(dict.fromkeys(int(number) for number in _REFERENCE.findall(head)))
