"""Mass containers: the same in and out, the same bytes each time, and no bomb."""

import io
import lzma
import tarfile
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.digital_post.container import ContainerWriter, only, read_container
from gateway.errors import MemoUnreadable


def packed(messages):
    out = io.BytesIO()
    writer = ContainerWriter(out)
    for name, content in messages:
        writer.add(name, len(content), io.BytesIO(content))
    writer.close()
    assert writer.size_bytes == len(out.getvalue())
    return out.getvalue()


def unpacked(content, **bounds):
    return [(name, body.read()) for name, body in read_container(io.BytesIO(content), **bounds)]


def foreign(entries):
    """A container by another program."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content, kind in entries:
            entry = tarfile.TarInfo(name)
            entry.size, entry.type = len(content), kind
            tar.addfile(entry, io.BytesIO(content))
    return lzma.compress(out.getvalue(), format=lzma.FORMAT_ALONE)


ids = st.uuids(version=4).map(str)


@settings(deadline=None)
@given(st.lists(st.tuples(ids, st.binary(max_size=5000)), max_size=8, unique_by=lambda one: one[0]))
def test_what_goes_in_comes_out_and_the_bytes_are_the_same_each_time(messages):
    content = packed(messages)
    assert unpacked(content) == messages
    assert packed(messages) == content


def test_the_form_is_the_old_one_of_digital_post():
    content = packed([(str(uuid.uuid4()), b"<memo/>")])
    # The header of LZMA "alone": properties, a dictionary of 16 MiB, size unknown (reference, section 1.8).
    assert content[:13].hex() == "5d00000001ffffffffffffffff"
    plain = lzma.decompress(content, format=lzma.FORMAT_ALONE)
    assert len(plain) % 10_240 == 0


def test_a_container_of_another_program_is_read():
    name = str(uuid.uuid4())
    assert unpacked(foreign([(f"{name.upper()}.xml", b"x", tarfile.REGTYPE)])) == [(name, b"x")]


@pytest.mark.parametrize(
    "entries",
    [
        [("brev.xml", b"x", tarfile.REGTYPE)],
        [("../11111111-1111-4111-8111-111111111111.xml", b"x", tarfile.REGTYPE)],
        [("11111111-1111-4111-8111-111111111111.xml", b"", tarfile.SYMTYPE)],
        [("11111111-1111-4111-8111-111111111111.xml", b"", tarfile.DIRTYPE)],
        [("11111111-1111-4111-8111-111111111111.xml", b"x", tarfile.REGTYPE)] * 2,
    ],
    ids=["no uuid", "a way out", "a link", "a folder", "twice"],
)
def test_what_is_no_message_is_refused(entries):
    with pytest.raises(MemoUnreadable):
        unpacked(foreign(entries))


def test_bombs_are_refused_before_they_are_unpacked():
    large = foreign([("11111111-1111-4111-8111-111111111111.xml", b"\0" * 3_000_000, tarfile.REGTYPE)])
    assert len(large) < 3000
    with pytest.raises(MemoUnreadable):
        unpacked(large, largest=1_000_000)
    with pytest.raises(MemoUnreadable):
        unpacked(large, total=1_000_000)
    many = packed([(str(uuid.uuid4()), b"x") for _ in range(5)])
    with pytest.raises(MemoUnreadable):
        unpacked(many, most=4)


@pytest.mark.parametrize("cut", [0.0, 0.3, 0.9])
def test_a_container_that_is_cut_short_or_none_is_refused(cut):
    content = packed([(str(uuid.uuid4()), bytes(range(256)) * 50) for _ in range(3)])
    with pytest.raises(MemoUnreadable):
        unpacked(content[: int(len(content) * cut)])
    with pytest.raises(MemoUnreadable):
        unpacked(b"PK\3\4 no container")


def test_some_messages_are_taken_out_as_they_are():
    messages = [(str(uuid.uuid4()), f"message {n}".encode()) for n in range(5)]
    out = io.BytesIO()
    assert only(io.BytesIO(packed(messages)), {messages[1][0], messages[3][0]}, out) == 2
    assert unpacked(out.getvalue()) == [messages[1], messages[3]]
