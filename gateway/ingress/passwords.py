"""Passwords of logins: only argon2id hashes are kept, and an unknown name takes as long as a known one."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# argon2id with 19 MiB, 2 passes, 1 lane: the first choice of OWASP's Password Storage Cheat Sheet.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# A login longer than this is not looked at: hashing it would be work for nothing.
LONGEST_PASSWORD = 1024
_nobody: list[str] = []


def fits(hashed: str | None, password: str) -> bool:
    """Whether *password* is the one that was hashed; for None compares with a hash of its own. Blocks."""
    if len(password) > LONGEST_PASSWORD:
        return False
    if not _nobody:
        _nobody.append(HASHER.hash("nobody"))
    try:
        HASHER.verify(_nobody[0] if hashed is None else hashed, password)
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None
