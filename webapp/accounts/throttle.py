"""Slows down password guessing: a few failures per name and address, then a pause.

Counts live in the process's cache, so each web process allows its own few. That is enough against
guessing and keeps a login from depending on the broker.
"""

import hashlib

from django.core.cache import cache

FAILURES = 10
WINDOW = 300  # seconds


def blocked(*, username: str, address: str) -> bool:
    """Whether this name from this address has failed too often lately."""
    return int(cache.get(_key(username, address), 0)) >= FAILURES


def failed(*, username: str, address: str) -> None:
    """Count one failure."""
    key = _key(username, address)
    cache.add(key, 0, WINDOW)
    try:
        cache.incr(key)
    except ValueError:
        # It expired between the two calls: the pause is over, and this failure begins a new count.
        cache.set(key, 1, WINDOW)


def passed(*, username: str, address: str) -> None:
    """Forget the failures after a login that worked."""
    cache.delete(_key(username, address))


def _key(username: str, address: str) -> str:
    # Hashed, because names may hold characters and lengths that a cache does not take.
    digest = hashlib.sha256(f"{address}\n{username.casefold()}".encode()).hexdigest()
    return f"login:{digest}"
