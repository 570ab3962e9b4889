"""A file of rules is taken whole or not at all, and every fault says which rule, where, and what is meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config.faults import faults_of
from gateway.errors import ConfigError
from gateway.model.decision import Action
from gateway.rules.bundle import read_rules
from gateway.rules.engine import RuleSet

EXAMPLES = Path(__file__).parents[3] / "config"
LAST = '\n[[rule]]\nid = "last"\nname = "Resten"\nthen = [ { send = "digital-post" } ]\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(text, encoding="utf-8")
    return path


def rule(when: str = '{ field = "copy", equals = true }', then: str = '[ { hold = "x" } ]') -> str:
    return f'[[rule]]\nid = "r1"\nname = "Regel 1"\nwhen = {when}\nthen = {then}\n{LAST}'


def lines(path: Path) -> list[str]:
    """The faults of the file at *path*, without code, file and rule."""
    with pytest.raises(ConfigError) as caught:
        load_rules(path)
    assert all(line.startswith("GW-100: rules.toml") for line in str(caught.value).splitlines())
    told = [re.sub(r"^rules[.]toml:[0-9]+", "rules.toml", fault.line()) for fault in faults_of(caught.value)]
    return [line.removeprefix("rules.toml, [[rule]] no. 1 (r1) ") for line in told]


def load_rules(path: Path) -> RuleSet:
    return read_rules(path, destinations=("digital-post",), archives=("archive",))


def test_a_rule_is_read_with_its_condition_and_actions(tmp_path):
    actions = '[ { send = "digital-post" }, { archive = "archive", plan = "17.02", case = "2026-17" } ]'
    first, last = load_rules(write(tmp_path, rule(then=actions))).rules
    assert (first.id, first.name) == ("r1", "Regel 1")
    assert [wanted.ready for wanted in first.then] == [
        Action(kind="send", target="digital-post", rule="r1", by="Regel 1"),
        Action(
            kind="archive", target="archive", settings=(("case", "2026-17"), ("plan", "17.02")), rule="r1", by="Regel 1"
        ),
    ]
    assert last.when is None


def test_the_version_follows_the_content_and_not_its_layout(tmp_path):
    version = load_rules(write(tmp_path, rule())).version
    assert re.fullmatch("[0-9a-f]{12}", version)
    assert load_rules(write(tmp_path, "# a comment\n\n" + rule())).version == version
    assert load_rules(write(tmp_path, rule(then='[ { hold = "y" } ]'))).version != version


def test_every_example_rule_of_the_example_file_loads_when_it_is_uncommented(tmp_path):
    text = (EXAMPLES / "rules.toml").read_text(encoding="utf-8")
    uncommented = re.sub(r"(?m)^# (\[\[rule\]\]|(?:id|name|when|then) = )", r"\1", text)
    assert [rule.id for rule in load_rules(write(tmp_path, uncommented)).rules[:3]] == [
        "large-letters",
        "payslips",
        "no-companies",
    ]


def test_a_missing_file_says_what_to_do(tmp_path):
    assert lines(tmp_path / "rules.toml") == [
        (f"rules.toml: there is no such file in {tmp_path}. "
        "Write it, or remove `path` from [rules] in gateway.toml to use the built-in rules.")
    ]


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ('{ field = "sbject", contains = "x" }', 'when: there is no field "sbject". Did you mean "subject"?'),
        ('{ feild = "subject", contains = "x" }', 'when: names no `field`. Did you mean "field"?'),
        ("{ field = 3, contains = 'x' }", "when: `field` must be text."),
        ('{ field = "subject", contain = "x" }', 'when.contain: there is no operator "contain". Did you mean "contains"?'),
        (
            '{ field = "pages", contains = "x" }',
            "when.contains: contains does not fit the field pages. Use equals, one_of, at_least, at_most, between, exists.",
        ),
        ('{ field = "copy" }', "when: expected one operator for copy (equals, exists), found none."),
        (
            '{ field = "pages", at_least = 1, at_most = 3 }',
            "when: expected one operator for pages (equals, one_of, at_least, at_most, between, exists), found 2.",
        ),
        (
            '{ field = "reach", equals = "exemt" }',
            ('when.equals: expected one of "registered", "exempt", "closed", "unknown", "unavailable", '
            'found "exemt". Did you mean "exempt"?'),
        ),
        ('{ field = "pages", at_least = "3" }', "when.at_least: expected a number, found text of 1 character."),
        ('{ field = "pages", at_least = true }', "when.at_least: expected a number, found true."),
        ('{ field = "size_bytes", at_least = "5 letters" }', 'when.at_least: expected a size such as "10 MB", found "5 letters".'),
        ('{ field = "size_bytes", at_least = -1 }', 'when.at_least: expected a size such as "10 MB", found the number -1.'),
        ('{ field = "copy", equals = "ja" }', "when.equals: expected true or false, found text of 2 characters."),
        ('{ field = "case", exists = 1 }', "when.exists: expected true or false, found the number 1."),
        ('{ field = "subject", contains = "" }', "when.contains: expected a text, found an empty text."),
        ('{ field = "subject", one_of = "x" }', "when.one_of: expected a list of at least one value, found text of 1 character."),
        ('{ field = "subject", one_of = [] }', "when.one_of: expected a list of at least one value, found a list of 0."),
        ('{ field = "pages", between = [1] }', "when.between: expected a list of two values, found a list of 1."),
        ('{ field = "pages", between = [5, 1] }', "when.between: the first value is above the second, so nothing lies between them. Exchange the two."),
        ('{ field = "subject", matches = "(x" }', "when.matches: this is no regular expression (missing ): (x). A sign that means itself stands behind a backslash, such as \\( and \\."),
        ('{ field = "subject", matches = "(?=x)" }', "when.matches: this is no regular expression (invalid perl operator: (?=). A sign that means itself stands behind a backslash, such as \\( and \\."),
        ('{ field = "subject", matches = 5 }', "when.matches: expected a regular expression as text, found the number 5."),
        (
            '{ field = "received_at", at_least = 2026-12-01T08:00:00 }',
            "when.at_least: the time has no zone. Add one, such as the Z in 2026-12-01T08:00:00Z.",
        ),
        (
            '{ field = "received_at", at_least = "tomorrow" }',
            ("when.at_least: expected a date such as 2026-12-01, or a date and time such as 2026-12-01T08:00:00Z, "
            "found text of 8 characters."),
        ),
        ('{ field = "time_of_day", after = "8:00" }', 'when.after: expected a time of day such as "08:00", found text of 4 characters.'),
        ('{ field = "subject", in_list = "ingen" }', "when.in_list: there is no list lists/ingen.txt beside the rules. Make the file, a value a line."),
        ('{ field = "subject", in_list = "../x" }',
         "when.in_list: expected the name of a list: small letters, digits and hyphens, found text of 4 characters."),
        ('{ field = "sidecar", equals = "x" }', 'when: there is no field "sidecar". Did you mean "sidecar"?'),
        (
            '{ field = "subject", matches = "(a|b)*a(a|b){200}c" }',
            ("when.matches: it would be slow on a long text. Count less, or make what it counts more exact."),
        ),
        ("{ all = [] }", "when.all: expected a list of conditions, found an empty list."),
        ("{ any = 'x' }", "when.any: expected a list of conditions, found text of 1 character."),
        (
            '{ all = [ { field = "copy", equals = true }, { any = [ { field = "x", equals = 1 } ] } ] }',
            'when.all 2.any 1: there is no field "x".',
        ),
        (
            '{ not = { field = "copy", equals = true }, field = "copy" }',
            "when: `not` stands alone in its braces. Put the rest inside it.",
        ),
        ("{ }", 'when: expected a condition such as { field = "flow", equals = "fravaer" }, found an empty one.'),
        ("{ not = " * 21 + '{ field = "copy", equals = true }' + " }" * 21,
         "when" + ".not" * 20 + ": conditions stand more than 20 levels inside each other. Make several rules of it."),
    ],
)
def test_a_condition_that_cannot_be_asked_says_why(tmp_path, when, says):
    assert lines(write(tmp_path, rule(when=when))) == [says]


@pytest.mark.parametrize(
    ("then", "says"),
    [
        ("[]", 'then: expected a list of actions such as { send = "digital-post" }, found an empty one.'),
        ("'x'", 'then: expected a list of actions such as { send = "digital-post" }, found text of 1 character.'),
        ("[ 'x' ]", 'then 1: expected an action such as { send = "digital-post" }, found text of 1 character.'),
        ("[ { sned = 'x' } ]", 'then 1: expected one of send, archive, forward, hold, reject, approve, notify, set, found none of them. Did you mean "send"?'),
        ("[ { } ]", "then 1: expected one of send, archive, forward, hold, reject, approve, notify, set, found none of them."),
        (
            "[ { send = 'digitalpost' } ]",
            'then 1.send: expected "digital-post", found "digitalpost". Did you mean "digital-post"?',
        ),
        ("[ { archive = 'archiv' } ]", 'then 1.archive: expected "archive", found "archiv". Did you mean "archive"?'),
        ("[ { archive = 'archive', cace = 'x' } ]", 'then 1.cace: there is no such key here. Did you mean "case"?'),
        ("[ { send = 'digital-post', case = 'x' } ]", "then 1.case: there is no such key here. Take it away."),
        ("[ { archive = 'archive', case = 17 } ]", "then 1.case: expected text, found the number 17."),
        ("[ { hold = '' } ]", "then 1.hold: expected text, found an empty text."),
        (f"[ {{ hold = '{'x' * 201}' }} ]", "then 1.hold: expected a reason of at most 200 characters, found text of 201 characters."),
        (
            "[ { hold = 'x' }, { send = 'digital-post' } ]",
            "then: hold and reject stand alone, or beside set and notify: such post goes nowhere. Take the other actions away, or put them into a rule of their own.",
        ),
        ("[ { send = 'digital-post' }, { send = 'digital-post' } ]", "then: the same action stands twice. Take one away."),
        ("[ { forward = 'loen' } ]", "then 1: forward is not for outbound post. Give the rule direction = \"inbound\", or use another action."),
        ("[ { notify = 'loen' } ]", "then 1.notify: there is no such department in [departments]. Add it, as [departments.NAME] with its addresses."),
        ("[ { approve = 'x', keys = 3 } ]", "then 1.keys: expected 1 or 2 persons, found the number 3."),
        ("[ { set = { lane = 'hurtigt' } } ]", 'then 1.set.lane: expected "hurtig" or "normal" or "langsom", found "hurtigt".'),
        ("[ { set = { send_date = '2026-02-30' } } ]",
         'then 1.set.send_date: expected a day such as 2026-12-01, found "2026-02-30".'),
        ("[ { set = { lan = 'x' } } ]", 'then 1.set.lan: there is no such key here. Did you mean "lane"?'),
        ("[ { hold = '{{ casee }}' } ]",
         'then 1.hold: there is neither a field nor a named part of a pattern called casee. Did you mean "case"?'),
        ("[ { hold = '{% for x in case %}{% endfor %}' } ]",
         "then 1.hold: the text may only be filled in: no loops, calls, brackets or calculations. A place to fill in is {{ name }}."),
        ("[ { hold = '{{ case' } ]",
         "then 1.hold: the text cannot be filled in (unexpected end of template, expected 'end of print statement'.). A place to fill in is {{ name }}."),
    ],
)
def test_an_action_that_cannot_be_done_says_why(tmp_path, then, says):
    assert lines(write(tmp_path, rule(then=then))) == [says]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ["rules.toml: there is no [[rule]] in it. Write one; config/rules.toml shows how."]),
        ("rule = 3", ["rules.toml, rule: expected [[rule]] sections, found the number 3."]),
        ("[[rules]]\nid = 'x'" + LAST, ['rules.toml, rules: there is no such key here. Did you mean "rule"?']),
        (
            "[[rule]]\nname = 'x'\nwhen = { field = 'copy', equals = true }\nthen = [ { hold = 'x' } ]" + LAST,
            ["rules.toml, [[rule]] no. 1 id: is missing; expected text."],
        ),
        (rule().replace('"Regel 1"', "7"), ["name: expected text, found the number 7."]),
        (
            rule().replace('"r1"', '"Regel Et"'),
            [
                ("rules.toml, [[rule]] no. 1 id: expected small letters, digits and hyphens, at most 64, "
                "found text of 8 characters.")
            ],
        ),
        (rule().replace("when =", "whem ="), [
            'whem: there is no such key here. Did you mean "when"?',
        ]),
        (
            rule() + LAST.replace('"last"', '"r1"'),
            ["rules.toml, [[rule]] no. 3 (r1) id: another rule has this id already. Give one of the two another id."],
        ),
        (
            rule().replace('"r1"', '"ubehandlet"'),
            ["rules.toml, [[rule]] no. 1 (ubehandlet) id: \"ubehandlet\" is the gateway's own last rule, which is always there. Choose another id."],
        ),
        (rule().replace("then =", 'mode = "skyge"\nthen =', 1),
         ['mode: expected one of "aktiv", "skygge", "fra", found "skyge". Did you mean "skygge"?']),
        (rule().replace("then =", "from = 2026-12-02\nto = 2026-12-01\nthen =", 1),
         ["to: is before `from`, so that the rule never applies. Exchange the two."]),
        (rule().replace("then =", 'from = "2026-12-02"\nthen =', 1),
         ["from: expected a day such as 2026-12-01, without quotes, found text of 10 characters."]),
        (rule().replace('when = { field = "copy", equals = true }', "unless = { field = 'copy', equals = true }"),
         ["unless: is an exception from `when`, which is missing; write when = { not = … } instead."]),
        (
            rule() + '[departments.loen]\nname = "Løn"\naddresses = ["loen"]\nhuors = "08:00-16:00"\nsubstitute = "loen"\n',
            [
                ("rules.toml, [departments.loen] addresses: expected a list, each item a mail address such as "
                "loen@skole.example.dk, found a list."),
                'rules.toml, [departments.loen] huors: there is no such key here. Did you mean "hours"?',
            ],
        ),
        ("[[rule]\n", ["rules.toml, column 7: expected ']]' at the end of an array declaration. Texts stand in quotes, and every bracket is closed."]),
    ],
)
def test_a_chain_that_does_not_hold_together_says_why(tmp_path, text, says):
    assert lines(write(tmp_path, text)) == says


def test_all_faults_are_told_at_once(tmp_path):
    text = rule(when="{ field = 'x', equals = 1 }", then="[ { hold = 1 } ]")
    assert lines(write(tmp_path, text)) == [
        'when: there is no field "x".',
        "then 1.hold: expected text, found the number 1.",
    ]


def test_a_number_in_a_wrong_value_is_not_quoted(tmp_path):
    text = rule(when='{ field = "reach", equals = "0101011234" }')
    assert "0101011234" not in "".join(lines(write(tmp_path, text)))


def test_every_fault_says_its_line(tmp_path):
    text = rule(when="{ field = 'x', equals = 1 }", then="[ { hold = 1 } ]")
    with pytest.raises(ConfigError) as caught:
        load_rules(write(tmp_path, "# one\n# two\n" + text))
    assert [fault.row for fault in faults_of(caught.value)] == [6, 7]


def test_a_folder_of_files_is_one_set_in_the_order_of_their_names(tmp_path):
    (tmp_path / "20-rest.toml").write_text(LAST, encoding="utf-8")
    (tmp_path / "10-first.toml").write_text(rule().removesuffix(LAST), encoding="utf-8")
    (tmp_path / "departments.toml").write_text('[departments.loen]\nname = "Løn"\naddresses = ["loen@x.dk"]\n', encoding="utf-8")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "vip.txt").write_text("Anna\n# nobody\n\n  Bo \n", encoding="utf-8")
    rules = load_rules(tmp_path)
    assert [one.id for one in rules.rules] == ["r1", "last"]
    assert rules.departments["loen"].addresses == ("loen@x.dk",)
    (tmp_path / "10-first.toml").write_text(
        rule(when='{ field = "submitter", in_list = "vip" }').removesuffix(LAST), encoding="utf-8"
    )
    assert load_rules(tmp_path).uses("submitter")
