"""Passwords, one-time codes and recovery codes."""

from __future__ import annotations

import base64
import hmac
import secrets
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = [
    "check_new_password",
    "hash_password",
    "is_password",
    "matching_step",
    "new_recovery_codes",
    "new_totp_secret",
    "plain_recovery_code",
    "prepare_hashing",
    "totp_address",
]

SHORTEST: Final = 12
LONGEST: Final = 256
STEP_SECONDS: Final = 30
RECOVERY_CODES: Final = 10
ISSUER: Final = "Streamwarden"


def check_new_password(password: str, name: str) -> None:
    """Check a password that a user wants to have.

    Raises:
        ValueError: it is too short or too easy to guess; the message tells the user.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueError(f"Use {SHORTEST} to {LONGEST} characters; you typed {len(password)}.")
    lower = password.lower()
    if len(set(lower)) < 6 or any(run in lower for run in ("123456", "abcdef", "qwerty")):
        raise ValueError(
            "This is too easy to guess: use several words that do not belong together."
        )
    if (len(name) > 2 and name.lower() in lower) or "streamwarden" in lower or "password" in lower:
        raise ValueError("Leave out your name, the word password and the name of this program.")


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password; takes about 0.1 s of processor time and 64 MiB."""
    return _hasher().hash(password)


def is_password(password: str, stored: str | None) -> bool:
    """Return whether a password is the one whose hash is stored; as slow if there is none."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(stored or _nobody(), password[:LONGEST]) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def prepare_hashing() -> None:
    """Load what checks passwords and one-time codes, so that the first person who signs in waits no
    longer than others."""
    import pyotp  # noqa: F401 - loaded for later

    _hasher()


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()  # RFC 9106, low memory: argon2id, 3 passes over 64 MiB, 4 lanes


@cache
def _nobody() -> str:
    """Return the hash of a password that no one knows."""
    return hash_password(secrets.token_hex())


def new_totp_secret() -> str:
    """Return a random secret of 160 bits for an authenticator, in base32."""
    import pyotp

    return pyotp.random_base32()


def totp_address(secret: str, name: str) -> str:
    """Return the address that authenticators read a secret from."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def matching_step(secret: str, code: str, now: float) -> int | None:
    """Return the time step of a one-time code, if it is that of now or of a neighbour, else None.

    The caller has to accept each step once only.
    """
    import pyotp

    digits = code.replace(" ", "")
    if len(digits) != 6 or not digits.isascii() or not digits.isdecimal():
        return None
    step = int(now) // STEP_SECONDS
    codes = pyotp.TOTP(secret)
    for near in (step, step - 1, step + 1):
        if hmac.compare_digest(codes.generate_otp(near), digits):
            return near
    return None


def new_recovery_codes() -> tuple[str, ...]:
    """Return codes of 80 random bits, each of which replaces a one-time code once."""
    return tuple(_in_groups(secrets.token_bytes(10)) for _ in range(RECOVERY_CODES))


def plain_recovery_code(code: str) -> str:
    """Return a recovery code as it is stored, however it was typed.

    >>> plain_recovery_code("abcd-efgh ijkl-mnop")
    'ABCDEFGHIJKLMNOP'
    """
    return "".join(one for one in code.upper() if one.isalnum())


def _in_groups(data: bytes) -> str:
    text = base64.b32encode(data).decode()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))
