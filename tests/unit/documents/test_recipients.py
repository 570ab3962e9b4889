import pytest

ANNA, BENT = "0101011234@dp.example", "0202021234@dp.example"


@pytest.fixture
def sent(read, mail, file_part, pdf):
    """What a proper mail with these extra headers gives, to these recipients."""

    def make(*recipients, head="", **told):
        raw = mail(file_part(pdf()), head=b"From: a@b.dk\r\nSubject: Brev\r\n" + head.encode())
        return read(raw, *recipients, **told)

    return make


def found(reading):
    return [(letter.recipient.masked(), letter.copy, letter.flow) for letter in reading.letters]


def test_every_recipient_gets_a_letter_in_the_order_of_the_envelope(sent):
    reading = sent(BENT, ANNA, "12345674@dp.example")
    assert [letter.id for letter in reading.letters] == [f"F-2026-TEST-0001.{n}" for n in (1, 2, 3)]
    assert [letter.recipient.masked() for letter in reading.letters] == ["020202-xxxx", "010101-xxxx", "12345674"]


def test_reading_twice_gives_the_same_letters(sent):
    assert sent(BENT, ANNA) == sent(BENT, ANNA)


@pytest.mark.parametrize(
    ("head", "copies"),
    [
        (f"Cc: {BENT}\r\n", [False, True]),
        ("Cc: x@y.dk, Bent <020202-1234@DP.example>\r\n", [False, True]),
        (f"CC: a@b.dk\r\nCc:\r\n {BENT}\r\n", [False, True]),
        (f"To: {BENT}\r\nCc: {BENT}\r\n", [False, False]),
        (f'Cc: "{BENT}" <x@y.dk>\r\n', [False, False]),
        (f"To: {ANNA}, {BENT}\r\n", [False, False]),
        ("", [False, False]),
        (f"Bcc: {BENT}\r\n", [False, False]),
        (f"Cc: {ANNA}, {BENT}\r\n", [True, True]),
    ],
)
def test_who_stands_in_cc_gets_a_copy(sent, head, copies):
    reading = sent(ANNA, BENT, head=head)
    assert [letter.copy for letter in reading.letters] == copies
    assert [letter.title for letter in reading.letters] == ["Kopi: Brev" if copy else "Brev" for copy in copies]


@pytest.mark.parametrize(
    ("recipients", "letters"),
    [
        ([ANNA, ANNA], [("010101-xxxx", False, "default")]),
        ([ANNA, "010101-1234@DP.example."], [("010101-xxxx", False, "default")]),
        ([ANNA, "0101011234+tekst@dp.example"], [("010101-xxxx", False, "tekst")]),
        (["0101011234+tekst@dp.example", ANNA], [("010101-xxxx", False, "tekst")]),
        (["send+tekst@dp.example", ANNA], [("010101-xxxx", False, "tekst")]),
        ([ANNA, "send+tekst@dp.example"], [("010101-xxxx", False, "tekst")]),
        (["send+address@dp.example", "0101011234+tekst@dp.example"], [("010101-xxxx", False, "tekst")]),
        (["send@dp.example", ANNA], [("010101-xxxx", False, "default")]),
        ([ANNA, "x@other.example"], [("010101-xxxx", False, "default")]),
        ([ANNA, "DigitalPost@dp.example"], [("010101-xxxx", False, "default")]),
        (
            ["12345674@dp.example", "13748136-p1029829825@dp.example", "13748136@dp.example"],
            [("12345674", False, "default"), ("13748136-p1029829825", False, "default"), ("13748136", False, "default")],
        ),
    ],
)
def test_one_letter_for_each_recipient_with_the_flow_that_is_named(sent, recipients, letters):
    assert found(sent(*recipients)) == letters


@pytest.mark.parametrize(
    ("recipients", "code"),
    [
        (["send@dp.example"], "GW-301"),
        (["send+tekst@dp.example"], "GW-301"),
        (["x@other.example"], "GW-301"),
        (["digitalpost@dp.example"], "GW-301"),
        (["0101011234+header@dp.example"], "GW-301"),
        ([ANNA, "nobody@dp.example"], "GW-307"),
        ([ANNA, "3113011234@dp.example"], "GW-303"),
        ([ANNA, "6101011234@dp.example"], "GW-304"),
        ([ANNA, "12345678@dp.example"], "GW-305"),
        ([ANNA, "13748136-p1@dp.example"], "GW-306"),
        ([ANNA, "0101011234+nosuch@dp.example"], "GW-308"),
    ],
)
def test_one_address_that_is_no_letter_stops_them_all(sent, recipients, code):
    reading = sent(*recipients)
    assert (reading.refusal.code, reading.letters) == (code, ())


def test_the_remedy_names_our_domain(sent):
    assert "@dp.example." in str(sent("send@dp.example").refusal)


@pytest.mark.parametrize("number", ["0101011234", "010101-1234", "12345674", "13748136-p1029829825"])
def test_a_system_may_name_the_recipient_in_a_header(sent, number):
    reading = sent("send@dp.example", head=f"X-DigitalPost-Recipient: {number}\r\n", system=True)
    assert len(reading.letters) == 1
    assert reading.letters[0].address == "send@dp.example"
    assert reading.notes == ()


def test_a_header_of_a_person_is_ignored_with_a_note(sent):
    reading = sent(ANNA, head="X-DigitalPost-Recipient: 0202021234\r\n")
    assert found(reading) == [("010101-xxxx", False, "default")]
    assert len(reading.notes) == 1


def test_a_person_cannot_name_the_recipient_in_a_header(sent):
    reading = sent("send@dp.example", head="X-DigitalPost-Recipient: 0202021234\r\n")
    assert reading.refusal.code == "GW-301"


@pytest.mark.parametrize(
    ("recipients", "head", "code"),
    [
        ([ANNA], "X-DigitalPost-Recipient: 0202021234\r\n", "GW-302"),
        ([ANNA, BENT], "X-DigitalPost-Recipient: 0202021234\r\n", "GW-302"),
        (["13748136@dp.example"], "X-DigitalPost-Recipient: 13748136-p1029829825\r\n", "GW-302"),
        (
            ["send@dp.example"],
            "X-DigitalPost-Recipient: 0101011234\r\nX-DigitalPost-Recipient: 0202021234\r\n",
            "GW-302",
        ),
        (["send@dp.example"], "X-DigitalPost-Recipient: Anna\r\n", "GW-303"),
        (["send@dp.example"], "X-DigitalPost-Recipient: 6101011234\r\n", "GW-304"),
        (["send+address@dp.example"], "X-DigitalPost-Recipient: 0101011234\r\n", "GW-301"),
        (["x@other.example"], "X-DigitalPost-Recipient: 0101011234\r\n", "GW-301"),
    ],
)
def test_places_that_disagree_are_never_guessed_between(sent, recipients, head, code):
    assert sent(*recipients, head=head, system=True).refusal.code == code


def test_a_system_that_says_the_same_twice_is_believed(sent):
    reading = sent(ANNA, head="X-DigitalPost-Recipient: 010101-1234\r\n", system=True)
    assert found(reading) == [("010101-xxxx", False, "default")]


def test_candidates_are_told_masked(sent):
    refusal = sent(ANNA, head="X-DigitalPost-Recipient: 12345674\r\n", system=True).refusal
    assert refusal.facts == {"candidates": "010101-xxxx, 12345674"}
