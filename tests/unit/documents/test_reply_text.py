"""Of an answer only what its writer wrote goes on: never the mail it quotes, which is for the department alone."""

from __future__ import annotations

import pytest

from gateway.documents.reply_text import MARK, own_words

SENDER = "digitalpost@dp.eksempelby-gym.dk"
OWN = "Kære Skat\n\nVi er enige.\nSe § 4: momsen.\n\nMed venlig hilsen\nKaren Larsen\nTil: orientering"
FORWARDED = f"──── {MARK} ────\n\nAfgørelse\n\nFra: Skat\nForkert afdeling? Skriv til forkert+{'f' * 32}@dp.eksempelby-gym.dk"


@pytest.mark.parametrize(
    "between",
    [
        "\n",
        "\n________________________________\nFra: Digital Post <digitalpost@dp.eksempelby-gym.dk>\nSendt: 28. november 2026 10:12\nTil: Økonomi\nEmne: [Digital Post] Afgørelse\n\n",
        "\n*Fra:* Digital Post\n*Sendt:* i dag\n*Til:* Økonomi\n*Emne:* x\n",
        "\n-----Original Message-----\nFrom: Digital Post\nSent: Saturday\nTo: Finance\nSubject: x\nImportance: High\n\n",
        "\nDen 28. nov. 2026 kl. 10.12 skrev Digital Post <digitalpost@dp.eksempelby-gym.dk>:\n\n",
        "\nDen lør. 28. nov. 2026 kl. 10.12 skrev Digital Post – Eksempelby Gymnasium <\ndigitalpost@dp.eksempelby-gym.dk>:\n\n",
        "\nOn Sat, Nov 28, 2026 at 10:12 AM Digital Post wrote:\n\n",
    ],
)
@pytest.mark.parametrize("quote", ["", "> ", ">"])
def test_only_what_was_written_above_the_line_is_left(between, quote):
    quoted = "\n".join(f"{quote}{line}" for line in FORWARDED.split("\n"))
    assert own_words(f"{OWN.removesuffix(chr(10) + 'Til: orientering')}\n{between}{quoted}", SENDER) == OWN.removesuffix("\nTil: orientering")


def test_without_a_quote_all_of_it_is_the_answer():
    assert own_words(f"  {OWN}\n\n", SENDER) == OWN


def test_nothing_above_the_line_is_nothing():
    assert own_words(f"\n\n{FORWARDED}", SENDER) == ""
