import pytest

from gateway.documents.addressing import a_label, is_ours, parse_address, parse_number
from gateway.errors import (
    InvalidCpr,
    InvalidCvr,
    InvalidPNumber,
    ReplacementCpr,
    UnknownAddress,
    UnknownFlow,
)

DOMAINS = ("dp.example", "blåbær.example")
FLOWS = {"Fravaer", "loen-2026"}


def parse(address, *, allow_test=False):
    return parse_address(address, domains=DOMAINS, flows=FLOWS, allow_test=allow_test)


@pytest.mark.parametrize(
    ("address", "masked", "flow", "named"),
    [
        ("0101011234@dp.example", "010101-xxxx@dp.example", "default", False),
        ("010101-1234@dp.example", "010101-xxxx@dp.example", "default", False),
        ("0101011234+fravaer@dp.example", "010101-xxxx+Fravaer@dp.example", "Fravaer", True),
        ("12345674@dp.example", "12345674@dp.example", "default", False),
        ("12345674+LOEN-2026@dp.example", "12345674+loen-2026@dp.example", "loen-2026", True),
        ("13748136-p1029829825@dp.example", "13748136-p1029829825@dp.example", "default", False),
        ("13748136-P1029829825@dp.example", "13748136-p1029829825@dp.example", "default", False),
        ("send@dp.example", "send@dp.example", "default", False),
        ("Send+default@dp.example", "send+default@dp.example", "default", True),
        ("0101011234@DP.Example.", "010101-xxxx@dp.example", "default", False),
        ("0101011234@blåbær.example", "010101-xxxx@xn--blbr-roah.example", "default", False),
        ("0101011234@XN--BLBR-ROAH.example", "010101-xxxx@xn--blbr-roah.example", "default", False),
    ],
)
def test_an_address_names_a_recipient_and_a_flow(address, masked, flow, named):
    found = parse(address)
    assert (found.masked, found.flow, found.flow_named) == (masked, flow, named)


def test_send_names_no_recipient():
    assert parse("send@dp.example").recipient is None


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("0101011234@other.example", UnknownAddress),
        ("0101011234@sub.dp.example", UnknownAddress),
        ("0101011234@dp.example.evil.example", UnknownAddress),
        ("0101011234@[127.0.0.1]", UnknownAddress),
        ("0101011234@dp.exаmple", UnknownAddress),  # Cyrillic a
        ("0101011234@", UnknownAddress),
        ("@dp.example", UnknownAddress),
        ("", UnknownAddress),
        ("0101011234", UnknownAddress),
        ("nobody@dp.example", UnknownAddress),
        ('"0101011234"@dp.example', UnknownAddress),
        ('"a b"@dp.example', UnknownAddress),
        ("0101011234%other.example@dp.example", UnknownAddress),
        ("other.example!0101011234@dp.example", UnknownAddress),
        ("@a.example,@b.example:0101011234@dp.example", UnknownAddress),
        ("0101011234@other.example@dp.example", UnknownAddress),
        (" 0101011234@dp.example", UnknownAddress),
        ("0101011234\n@dp.example", UnknownAddress),
        ("٠١٠١٠١١٢٣٤@dp.example", UnknownAddress),
        ("０１０１０１１２３４@dp.example", UnknownAddress),  # full-width digits
        ("0101011234+@dp.example", UnknownAddress),
        ("0101011234+a+b@dp.example", UnknownAddress),
        ("-@dp.example", UnknownAddress),
        ("0" * 300 + "@dp.example", UnknownAddress),
        ("010101123@dp.example", InvalidCpr),
        ("01010112345@dp.example", InvalidCpr),
        ("3113011234@dp.example", InvalidCpr),
        ("0101-011234@dp.example", InvalidCpr),
        ("0006080921@dp.example", InvalidCpr),
        ("6101011234@dp.example", ReplacementCpr),
        ("12345678@dp.example", InvalidCvr),
        ("1234567@dp.example", InvalidCvr),
        ("02345674@dp.example", InvalidCvr),
        ("13748136-p1029829826@dp.example", InvalidPNumber),
        ("13748136-p@dp.example", InvalidPNumber),
        ("0101011234+nosuch@dp.example", UnknownFlow),
        ("send+nosuch@dp.example", UnknownFlow),
    ],
)
def test_an_address_that_is_no_letter_says_why_without_quoting_it(address, error):
    with pytest.raises(error) as raised:
        parse(address)
    assert "1011234@dp" not in str(raised.value)


def test_made_up_numbers_are_taken_where_the_environment_allows_them():
    assert parse("0006080921@dp.example", allow_test=True).masked == "000608-xxxx@dp.example"
    assert parse("12345678@dp.example", allow_test=True).recipient.number == "12345678"


def test_an_address_shows_no_whole_number():
    assert "0101011234" not in repr(parse("0101011234@dp.example"))


@pytest.mark.parametrize(
    ("domain", "label"),
    [
        ("Example.DK.", "example.dk"),
        ("BLÅBÆR.example", "xn--blbr-roah.example"),
        ("", None),
        (".", None),
        ("bl\u0000å", None),
        ("å" * 300, None),
    ],
)
def test_domains_are_compared_in_one_form(domain, label):
    assert a_label(domain) == label


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        ("anybody@dp.example", True),
        ("anybody@DP.EXAMPLE.", True),
        ("anybody@other.example", False),
        ("dp.example", False),
    ],
)
def test_a_domain_is_ours_whoever_the_address_names(address, ours):
    assert is_ours(address, DOMAINS) is ours


@pytest.mark.parametrize("text", ["", "Anna", "010101 1234", "01010112345", "send"])
def test_a_header_that_holds_no_number_is_an_invalid_number(text):
    with pytest.raises(InvalidCpr):
        parse_number(text, allow_test=False)


@pytest.mark.parametrize("address", [f"retur+{'a1' * 16}@dp.example", f"FORKERT+{'A1' * 16}@dp.example"])
def test_our_service_addresses_mean_no_recipient_and_show_no_token(address):
    found = parse(address)
    assert (found.recipient, found.masked) == (None, f"{address.partition('+')[0].lower()}@dp.example")


@pytest.mark.parametrize("address", ["retur@dp.example", "retur+kort@dp.example", f"andet+{'a1' * 16}@dp.example"])
def test_what_only_looks_like_one_is_refused(address):
    with pytest.raises((UnknownAddress, UnknownFlow)):
        parse(address)
