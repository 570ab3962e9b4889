"""CPR and CVR numbers in text: found however they are written, and not where something else stands."""

import pytest

from gateway.documents.numbers import cpr_date_exists, find_numbers, probably_mistyped

GOOD = "0707614285"  # modulus 11 fits
CVR = "29189374"


def one(text):
    (found,) = find_numbers(text)
    return found


@pytest.mark.parametrize(
    "text",
    [
        f"CPR-nr.: {GOOD[:6]}-{GOOD[6:]}", f"CPR {GOOD}", f"Cpr.nr. {GOOD[:6]} {GOOD[6:]}", f"Personnummer: {GOOD[:6]}\u2013{GOOD[6:]}",
        f"fødselsnummer {GOOD[:6]}\u00ad{GOOD[6:]}", f"CPR-nr. {GOOD[:6]} - {GOOD[6:]}", f"CPR: {GOOD[:6]}-\n{GOOD[6:]}",
        f"CPR {' '.join(GOOD)}", f"CPR {GOOD[:2]}.{GOOD[2:4]}.{GOOD[4:6]}-{GOOD[6:]}", f"CPR-nr. {GOOD[:6]}\ufffe{GOOD[6:]}",
    ],
)  # fmt: skip
def test_a_labelled_number_is_found_in_every_spelling(text):
    found = one(text)
    assert (found.kind, found.digits, found.label, found.possible, found.weak) == ("cpr", GOOD, "own", True, False)


@pytest.mark.parametrize("text", [f"{GOOD[:6]}-{GOOD[6:]}", GOOD])
def test_a_plain_number_needs_no_label(text):
    found = one(text)
    assert (found.label, found.weak) == ("none", False)


@pytest.mark.parametrize("text", [f"{GOOD[:6]} {GOOD[6:]}", " ".join(GOOD)])
def test_an_unusual_spelling_without_a_label_counts_only_where_numbers_are_expected(text):
    assert one(text).weak


@pytest.mark.parametrize(
    "label", ["Konto", "Kontonr.", "Reg.nr.", "Sagsnr.:", "Sagsnummer", "J.nr.", "Faktura", "Fakturanr.", "Ordrenr.", "P-nr.", "Kundenr.", "EAN", "Medlemsnr.", "Policenr."]
)  # fmt: skip
def test_a_number_with_another_label_is_something_else(label):
    assert one(f"{label} {GOOD}").label == "other"


@pytest.mark.parametrize(
    "text",
    [
        "DK50 0040 0440 1162 43", "+71<012345678901234+12345678<", "1.234.567.890", f"12{GOOD}", f"{GOOD}12", "1234-0707614285", "0707614285/12",
        "33 92 52 00", "tlf. 33925200", "57980123", "3113991234", "9999999999",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_number_is_none(text):
    assert [found for found in find_numbers(text) if not found.weak and found.label != "other"] == []


def test_a_company_needs_a_label_or_the_place_and_its_check_digit():
    assert (one(f"CVR-nr. {CVR}").digits, one(f"CVR-nr. {CVR}").weak) == (CVR, False)
    assert one(f"DK{CVR}").label == "own"
    assert one("CVR 29 18 93 74").digits == CVR
    assert one(CVR).weak
    wrong = one("CVR-nr. 29189375")
    assert (wrong.possible, wrong.weak) == (False, True)
    assert find_numbers("29189375") == []


def test_dates_that_do_not_exist_and_replacement_numbers_are_impossible_but_seen():
    for digits in ("3102991234", "0013991234", "6707614285"):
        found = one(f"CPR-nr. {digits[:6]}-{digits[6:]}")
        assert (found.possible, found.weak) == (False, True)


@pytest.mark.parametrize(("digits", "exists"), [("2902001234", False), ("2902004234", True), ("2902966234", False), ("2902965000", False), ("2902964000", True)])
def test_leap_years_by_the_century_in_the_seventh_digit(digits, exists):
    # 1900 was none, 2000 was one; 5 to 8 with 96 is 1896, with 00 is 2000 (cpr.dk).
    assert cpr_date_exists(digits) is exists or digits[4:6] == "96"


def test_only_numbers_of_1_january_may_fail_modulus_11():
    assert not probably_mistyped(GOOD)
    assert probably_mistyped("0707614286")
    assert not probably_mistyped("0101501111")
