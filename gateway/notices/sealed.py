"""A mail encrypted for one mailbox (S/MIME, RFC 8551): only its addresses and an empty subject stay readable."""

from __future__ import annotations

from base64 import encodebytes
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options

from gateway.errors import MailNotEncrypted

_AROUND = (
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"\r\n'
    b"Content-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="smime.p7m"\r\n'
)


def sealed(mail: bytes, certificate: str, now: datetime) -> bytes:
    """*mail* (CRLF) with all its content encrypted for *certificate* (PEM, RSA): AES-256 in CBC mode, as every mail
    program reads it.

    Raises:
        MailNotEncrypted: the certificate is not, or not any more, valid.
    """
    found = x509.load_pem_x509_certificate(certificate.encode())
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        raise MailNotEncrypted(reason="afdelingens certifikat er udløbet eller gælder ikke endnu")
    head, _, body = mail.partition(b"\r\n\r\n")
    fields = head.replace(b"\r\n ", b"\n ").replace(b"\r\n\t", b"\n\t").split(b"\r\n")
    inside = [field for field in fields if field.lower().startswith(b"content-")]
    outside = [field for field in fields if field not in inside and not field.lower().startswith(b"mime-version:")]
    whole = _lines(inside) + b"\r\n" + body
    builder = PKCS7EnvelopeBuilder().set_data(whole).add_recipient(found).set_content_encryption_algorithm(AES256)
    packed = encodebytes(builder.encrypt(Encoding.DER, [PKCS7Options.Binary])).replace(b"\n", b"\r\n")
    return _lines(outside) + _AROUND + b"\r\n" + packed


def _lines(fields: list[bytes]) -> bytes:
    """As they were folded."""
    return b"".join(field.replace(b"\n", b"\r\n") + b"\r\n" for field in fields)
