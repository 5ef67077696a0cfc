"""Failures on purpose, to see that a chain copes."""

from __future__ import annotations

import random

from chainlets.errors import ChainletsError


class InjectedError(ChainletsError):
    """Raised by `random_fail`; a second try may go well."""


def random_fail(probability: float, msg: str) -> None:
    """Fail now and then.

    Args:
        probability: from 0.0, never, to 1.0, always; `random.seed` makes it repeatable.
        msg: what the error says.

    Raises:
        InjectedError: chance has it so.
        ValueError: `probability` is none.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"A probability is from 0.0 to 1.0, not {probability}.")
    if random.random() < probability:  # noqa: S311 (an example's bad luck, no secret)
        raise InjectedError(msg)
