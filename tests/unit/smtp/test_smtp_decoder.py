"""The decoder against the line-based reading of RFC 5321, whatever way the bytes are cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ingress.smtp.decoder import DataDecoder, LineWatch

PIECES = [b"\r\n", b".", b"\r", b"\n", b"a", b"\r\n.", b"..", b"xyz", b"\r\n.\r\n", b"\0"]
wires = st.lists(st.sampled_from(PIECES), max_size=24).map(b"".join)
cuts = st.lists(st.integers(1, 5), max_size=60)


def by_lines(wire):
    """Content and rest as a server that reads line by line has them; None if there is no end."""
    content, position = [], 0
    while (end := wire.find(b"\r\n", position)) >= 0:
        line, position = wire[position : end + 2], end + 2
        if line == b".\r\n":
            return b"".join(content), wire[position:]
        content.append(line[1:] if line.startswith(b".") else line)
    return None


def blocks(wire, lengths):
    position = 0
    for length in lengths:
        if position < len(wire):
            yield wire[position : position + length]
            position += length
    if position < len(wire):
        yield wire[position:]


@settings(max_examples=500, deadline=None)
@given(wire=wires, ending=st.sampled_from([b"\r\n.\r\n", b".\r\n", b""]), lengths=cuts)
def test_the_decoder_reads_what_a_reader_of_lines_reads(wire, ending, lengths):
    wire += ending + b"QUIT\r\n"
    decoder, content, ended, rest = DataDecoder(), b"", False, b""
    for block in blocks(wire, lengths):
        if ended:
            rest += block
            continue
        fed = decoder.feed(block)
        content, ended, rest = content + fed.content, fed.ended, fed.rest
    assert ((content, rest) if ended else None) == by_lines(wire)


@settings(max_examples=500, deadline=None)
@given(content=wires, lengths=cuts, longest=st.integers(1, 12))
def test_faults_of_lines_are_found_however_the_bytes_are_cut(content, lengths, longest):
    watch = LineWatch(longest)
    found = None
    for block in blocks(content, lengths):
        found = found or watch.look(block)
    found = found or watch.end()
    left = content.replace(b"\r\n", b"")
    bare = b"\r" in left or b"\n" in left
    long = any(len(line) > longest for line in content.split(b"\r\n"))
    if bare:
        assert found is not None
    else:
        assert found == ("long" if long else None)


@pytest.mark.parametrize("size", [998, 262_144])
def test_a_line_of_just_the_limit_is_no_fault_and_one_more_is(size):
    assert LineWatch(size).look(b"x" * size + b"\r\n") is None
    assert LineWatch(size).look(b"x" * (size + 1) + b"\r\n") == "long"
    watch = LineWatch(size)
    assert watch.look(b"\r\n" + b"x" * size) is None
    assert watch.look(b"\r") is None
    assert watch.look(b"\ny\r\n") is None
