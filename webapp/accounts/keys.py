"""How an API key looks and how it is recognised: pure functions."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

MARK = "ck"
_PREFIX_LENGTH = 10  # characters of the shown part
_SECRET_BYTES = 32
_OURS = re.compile(rf"({MARK}_[0-9a-f]{{{_PREFIX_LENGTH}}})_[\w-]{{40,}}$", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class KeyParts:
    """What the database keeps of a key."""

    prefix: str
    hash: str


def new_key() -> str:
    """A fresh key such as `ck_a1b2c3d4e5_…`, with 256 bits of randomness after the prefix."""
    return f"{MARK}_{secrets.token_hex(_PREFIX_LENGTH // 2)}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def parts_of(key: str, *, pepper: str) -> KeyParts:
    """Prefix to find the row, and the hash to compare.

    Keys that an operator chose have no prefix of ours, and a piece of them must not be shown:
    theirs is made from their hash.
    """
    digest = hmac.new(pepper.encode(), key.encode(), hashlib.sha256).hexdigest()
    made_here = _OURS.match(key)
    if made_here:
        return KeyParts(prefix=made_here[1], hash=digest)
    shown = hmac.new(pepper.encode(), f"prefix:{key}".encode(), hashlib.sha256).hexdigest()
    return KeyParts(prefix=f"own_{shown[:12]}", hash=digest)


def same(left: str, right: str) -> bool:
    """Compare two hashes in a time that tells nothing about them."""
    return hmac.compare_digest(left.encode(), right.encode())
