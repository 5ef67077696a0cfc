"""Keeps what an author's code raises from ending more than its own call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chainlets.errors import ChainsRuntimeError


@contextmanager
def contained(chainlet: str) -> Iterator[None]:
    """Let out only what threads and event loops can carry.

    A SystemExit or KeyboardInterrupt would end the loop that it reaches, and with it the calls of
    others. A StopIteration is refused by every future, so whoever waits for it would wait for ever.

    Args:
        chainlet: whose code runs inside the block.

    Raises:
        ChainsRuntimeError: in place of those three; they are its cause.
    """
    try:
        yield
    except (SystemExit, KeyboardInterrupt, StopIteration) as error:
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise ChainsRuntimeError(
            f"`{chainlet}` raised {said}. Raise an exception of your own instead: this one means the end of a "
            "process or of an iterator."
        ) from error
