from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents.subject import plain_subject, read_subject, title_of
from gateway.errors import BadTagValue, CprInTitle, NoTitle, TitleTooLong, UnknownTag
from gateway.model.letter import Options

TODAY = date(2026, 11, 2)


def subject_of(text, rules, *, copies=False):
    return read_subject(plain_subject(text.encode()), rules(), received_on=TODAY, copies=copies)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Indkaldelse", "Indkaldelse"),
        ("  Indkaldelse \t til   samtale ", "Indkaldelse til samtale"),
        ("Indkaldelse [sag:2026-0417]", "Indkaldelse"),
        ("[sag:1]Indkaldelse[svar:ja]", "Indkaldelse"),
        ("Indkaldelse [3.b] til [møde]", "Indkaldelse [3.b] til [møde]"),
        ("Møde [kl. 12:30]", "Møde [kl. 12:30]"),
        ("Møde [12:30]", "Møde [12:30]"),
        ("SV: VS: Re: Fw: FWD: RE: Indkaldelse", "Indkaldelse"),
        ("sv:Indkaldelse", "Indkaldelse"),
        ("[sag:1] SV: Indkaldelse", "Indkaldelse"),
        ("Svar: ja", "Svar: ja"),
        ("[EKSTERN: pas på] Indkaldelse", "[EKSTERN: pas på] Indkaldelse"),
        ("Indkaldelse [SPAM: 5] [sag: 1]", "Indkaldelse [SPAM: 5]"),
        ("Referat [emne: trivsel]", "Referat [emne: trivsel]"),
        ("Resultat: SV: 3", "Resultat: SV: 3"),
        ("A\u030arsrapport", "Årsrapport"),
        ("x\r\n\0y", "x y"),
        ("x\u202ey\u200b", "xy"),
        ("Hej 👋🏽 og ☎️", "Hej 👋🏽 og ☎️"),
    ],
)
def test_the_title_is_the_subject_without_what_is_not_it(rules, text, title):
    assert subject_of(text, rules).title == title


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("x", Options()),
        ("x [sag:2026-0417]", Options(case="2026-0417")),
        ("x [SAG : 26/123.4 ]", Options(case="26/123.4")),
        ("x [plan:17.01.04 A]", Options(plan="17.01.04 A")),
        ("x [svar:ja]", Options(reply_allowed=True)),
        ("x [Svar:NEJ]", Options(reply_allowed=False)),
        ("x [send:2026-12-01]", Options(deliver_from=date(2026, 12, 1))),
        ("x [send:2026-11-02]", Options(deliver_from=TODAY)),
        ("x [sag:1] [sag:1]", Options(case="1")),
    ],
)
def test_tags_are_understood(rules, text, options):
    assert subject_of(text, rules).options == options


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("x [sga:1]", "sag"),
        ("x [svr:ja]", "svar"),
        ("x [sendt:2026-12-01]", "send"),
        ("x [plna:1]", "plan"),
        ("x [sga: 1]", "sag"),
        ("x [sag_:1]", "sag"),
    ],
)
def test_an_unknown_tag_is_refused_with_the_nearest(rules, text, nearest):
    with pytest.raises(UnknownTag) as raised:
        subject_of(text, rules)
    assert raised.value.action().startswith(f"Mente du [{nearest}:…]? ")


@pytest.mark.parametrize("text", ["x [fjerncpr:ja]", "x [underskrift:ja]", "x [Jensen:Ole]"])
def test_a_tag_like_none_of_ours_is_refused_with_those_there_are(rules, text):
    with pytest.raises(UnknownTag) as raised:
        subject_of(text, rules)
    assert raised.value.action().startswith("Mærkerne er [sag:…], [plan:…], [svar:…] og [send:…]. ")


@pytest.mark.parametrize(("text", "told"), [("x [Fjerncpr:ja]", "fjerncpr"), ("x [a12345678:ja]", "")])
def test_only_the_sender_sees_an_unknown_tag_and_only_if_it_is_a_word(rules, text, told):
    with pytest.raises(UnknownTag) as raised:
        subject_of(text, rules)
    assert raised.value.private == told
    assert not told or told not in f"{raised.value} {raised.value!r}"


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("x [sag:]", "sag"),
        ("x [sag:<b>]", "sag"),
        ("x [sag:" + "9" * 65 + "]", "sag"),
        ("x [plan: ]", "plan"),
        ("x [svar:måske]", "svar"),
        ("x [send:1.12.2026]", "send"),
        ("x [send:2026-13-01]", "send"),
        ("x [send:20261201]", "send"),
        ("x [send:2026-11-01]", "send"),
        ("x [sag:1] [sag:2]", "sag"),
        ("x [svar:ja] [svar:nej]", "svar"),
    ],
)
def test_a_tag_that_cannot_be_done_is_refused(rules, text, tag):
    with pytest.raises(BadTagValue) as raised:
        subject_of(text, rules)
    assert raised.value.facts["tag"] == tag


@pytest.mark.parametrize(
    "text",
    ["Brev til 0101011234", "010101-1234", "x [sag:010101 1234]", "x 01.01.01–1234", "x 010101\u200b1234"],
)
def test_a_cpr_number_in_the_subject_is_always_refused(rules, text):
    with pytest.raises(CprInTitle):
        subject_of(text, rules)


@pytest.mark.parametrize("text", ["", "  ", "[sag:1]", "SV: ", "\u200b"])
def test_a_mail_needs_a_title(rules, text):
    with pytest.raises(NoTitle):
        subject_of(text, rules)


def test_a_title_has_at_most_256_characters(rules):
    assert subject_of("æ" * 256, rules).title == "æ" * 256
    with pytest.raises(TitleTooLong) as raised:
        subject_of("æ" * 257, rules)
    assert raised.value.facts == {"count": 257, "limit": 256}


def test_the_title_of_a_copy_needs_room_for_its_prefix(rules):
    with pytest.raises(TitleTooLong):
        subject_of("x" * 251, rules, copies=True)


@pytest.mark.parametrize(("length", "notes"), [(50, 0), (51, 1)])
def test_a_long_title_is_sent_with_a_hint(rules, length, notes):
    assert len(subject_of("x" * length, rules).notes) == notes


@given(st.binary(max_size=300))
def test_no_bytes_make_a_subject_that_xml_cannot_hold(value):
    title = title_of(plain_subject(value))
    assert all(sign >= " " and sign not in "\ufffe\uffff" for sign in title)
    title.encode("utf-8")
