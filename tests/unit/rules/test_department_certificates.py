"""A department that gets encrypted mail has a certificate that mail can be encrypted for."""

from __future__ import annotations

import subprocess

import pytest

from gateway.errors import ConfigError
from gateway.rules.bundle import Bundle

DEPARTMENT = '[departments.loen]\nname = "Løn"\naddresses = ["loen@skole.example.dk"]\n'
RULE = '[[rule]]\nid = "a"\nname = "a"\nthen = [ { hold = "x" } ]\n'


def rule_set(more):
    return Bundle(files={"rules.toml": f"{RULE}{DEPARTMENT}{more}"}).rule_set({})


def certificate(folder, *kind):
    made = ["openssl", "req", "-x509", "-nodes", "-subj", "/CN=x", "-keyout", folder / "k", "-out", folder / "c", "-newkey", *kind]
    subprocess.run(made, check=True, capture_output=True)
    return (folder / "c").read_text()


def test_it_is_kept_with_the_rules(tmp_path):
    pem = certificate(tmp_path, "rsa:2048")
    found = rule_set(f'delivery = "smime"\ncertificate = """\n{pem}"""\n').departments["loen"]
    assert (found.delivery, found.certificate) == ("smime", pem)


def test_without_one_or_with_one_nobody_can_encrypt_for_the_rules_do_not_load(tmp_path):
    elliptic = certificate(tmp_path, "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    for more in ('delivery = "smime"\n', 'certificate = "hemmelig"\n', f'certificate = """{elliptic}"""\n'):
        with pytest.raises(ConfigError):
            rule_set(more)
