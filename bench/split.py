"""Pages a second and peak memory of dividing a merged PDF: ours beside pure pypdf, beside pdftotext and qpdf, and
beside reading the text alone (the floor), in one run.

    python -m bench.split [--pages 100 2000 20000] [--rounds 3] [--own-pypdf 2000]

Needs the packages of requirements/test.lock, and pdftotext (poppler-utils) and qpdf. Every pipeline ends with one file
for each letter on the same file system, but ours, which writes one plain file and makes a letter's bytes when it
is sent: here all of them are made once, and counted. Each runs in a process of its own; rounds are interleaved, and the
medians of CPU time (user and system, with children) are compared. All must find the same letters.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "helpers"))

PIPELINES = ("floor", "ours", "pypdf", "command line")
NUMBER = re.compile(r"(?:CPR-nr\.: (\d{6}-\d{4})|CVR-nr\.: (\d{8}))")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, nargs="+", default=[100, 2000, 20_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--own-pypdf", type=int, default=2000, help="largest file that pypdf is given")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_one(*options.one)))
        return 0
    for tool in ("pdftotext", "qpdf"):
        if shutil.which(tool) is None:
            sys.exit(f"needs {tool}")
    print("pages   pipeline        CPU s   pages/s  to the floor  to pypdf   peak MB   written MB")
    for pages in options.pages:
        with tempfile.TemporaryDirectory() as folder:
            measure(pages, Path(folder), options.rounds, options.own_pypdf)
    return 0


def measure(pages: int, folder: Path, rounds: int, own_pypdf: int) -> None:
    file = folder / "merged.pdf"
    # In a process of its own: what this one has used would count as the peak of all it starts.
    made = round(_in_a_process("make", file, Path(str(pages)))["letters"])
    wanted = [name for name in PIPELINES if name != "pypdf" or pages <= own_pypdf]
    results: dict[str, list[dict[str, float]]] = {name: [] for name in wanted}
    for _ in range(rounds):
        for name in wanted:
            out = folder / "out"
            out.mkdir()
            results[name].append(_in_a_process(name, file, out))
            shutil.rmtree(out)
    cpu = {name: statistics.median(one["cpu"] for one in found) for name, found in results.items()}
    for name, found in results.items():
        last = found[-1]
        if name != "floor" and last["letters"] != made:
            sys.exit(f"{name} found {last['letters']:.0f} letters of {made}")
        to_pypdf = f"{cpu['pypdf'] / cpu[name]:8.1f}x" if "pypdf" in cpu else "        –"
        print(
            f"{last['pages']:5.0f}   {name:<13}{cpu[name]:8.2f}{last['pages'] / cpu[name]:10.0f}"
            f"{cpu[name] / cpu['floor']:13.2f}x {to_pypdf}{max(one['rss'] for one in found):10.0f}{last['written'] / 1e6:12.1f}",
            flush=True,
        )


def _in_a_process(name: str, file: Path, out: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.split", "--one", name, str(file), str(out)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def make(file: Path, wanted: Path) -> tuple[int, int, int]:
    """A file of at most *wanted* pages; how many letters."""
    from merged import by_reportlab, merged

    pages = int(wanted.name)
    letters = max(1, round(pages / 2.3))
    while len((of := merged(letters, seed=1, second=0)).pages) > pages:
        letters -= max(1, (len(of.pages) - pages) // 3)
    by_reportlab(of, file)
    return len(of.truth), len(of.pages), 0


def run_one(name: str, file: str, out: str) -> dict[str, float]:
    import resource

    letters, pages, written = {"make": make, "floor": floor, "ours": ours, "pypdf": by_pypdf, "command line": by_commands}[name](Path(file), Path(out))
    own, below = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "cpu": own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime,
        "rss": max(own.ru_maxrss, below.ru_maxrss) / 1024,
        "letters": letters, "pages": pages, "written": written,
    }  # fmt: skip


def floor(file: Path, _out: Path) -> tuple[int, int, int]:
    """The text of every page, and nothing else."""
    import pypdfium2.raw as pdfium

    document = pdfium.FPDF_LoadDocument(str(file).encode() + b"\0", None)
    count = pdfium.FPDF_GetPageCount(document)
    buffer = (ctypes.c_ushort * 65536)()
    for number in range(count):
        page = pdfium.FPDF_LoadPage(document, number)
        text = pdfium.FPDFText_LoadPage(page)
        pdfium.FPDFText_GetText(text, 0, min(65535, pdfium.FPDFText_CountChars(text)), buffer)
        pdfium.FPDFText_ClosePage(text)
        pdfium.FPDF_ClosePage(page)
    return 0, count, 0


def ours(file: Path, out: Path) -> tuple[int, int, int]:
    from merged import OWN_CVR

    from gateway.documents.batch.manner import SplitManner
    from gateway.documents.batch.split import split_file
    from gateway.model.batch import NOTHING_SETTLED

    batch, _ = split_file(file, SplitManner(own_numbers=frozenset({OWN_CVR})), NOTHING_SETTLED, out, allow_test=True)
    assert not batch.uncertain
    return len(batch.pieces), batch.pages, batch.source.size_bytes


def by_pypdf(file: Path, out: Path) -> tuple[int, int, int]:
    from pypdf import PdfReader, PdfWriter

    pdf = PdfReader(file)
    starts = _starts(page.extract_text() for page in pdf.pages)
    for place, (first, behind) in enumerate(_ranges(starts, len(pdf.pages))):
        writer = PdfWriter()
        for page in range(first, behind):
            writer.add_page(pdf.pages[page])
        writer.write(out / f"{place}.pdf")
    return len(starts), len(pdf.pages), _size(out)


def by_commands(file: Path, out: Path) -> tuple[int, int, int]:
    """pdftotext for the numbers, qpdf --split-pages once, and one qpdf for each letter of several pages."""
    text = subprocess.run(["pdftotext", "-raw", file, "-"], check=True, capture_output=True, text=True).stdout
    pages = text.split("\f")[:-1]
    starts = _starts(pages)
    single = out / "single"
    single.mkdir()
    subprocess.run(["qpdf", "--split-pages", "--compress-streams=n", "--decode-level=none", file, single / "%d.pdf"], check=True)
    names = sorted(single.iterdir())
    for place, (first, behind) in enumerate(_ranges(starts, len(pages))):
        target = out / f"{place}.pdf"
        if behind - first == 1:
            names[first].rename(target)
        else:
            command = ["qpdf", "--empty", "--compress-streams=n", "--decode-level=none", "--pages", *names[first:behind], "--", target]
            subprocess.run(command, check=True)
    shutil.rmtree(single)
    return len(starts), len(pages), _size(out)


def _starts(texts: object) -> list[int]:
    """Pages with a recipient's number in the first place where one is read."""
    return [at for at, text in enumerate(texts) if NUMBER.search(text)]  # type: ignore[call-overload]


def _ranges(starts: list[int], pages: int) -> list[tuple[int, int]]:
    return list(zip(starts, [*starts[1:], pages], strict=True))


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


if __name__ == "__main__":
    sys.exit(main())
