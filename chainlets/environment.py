"""What all chainlets of a process share: its environment variables, and the paths where weights appear.

Each says on what value it relies, so that two who need different ones are told, not surprised.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping

from chainlets.errors import ChainsUsageError

log = logging.getLogger(__name__)

sharing = threading.RLock()  # held from asking for a rival until the claim

_claims: dict[str, dict[str, str]] = {}  # variable or path → chainlet → the value it relies on


def set_environment(*, chainlet: str, variables: Mapping[str, str]) -> None:
    """Set the variables that a chainlet asks for; all replicas of this process see them.

    What the operator's environment already has stays as it is, with a line in the log.

    Raises:
        ChainsUsageError: another chainlet of this process relies on another value; nothing was set.
    """
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name + value:
            raise ChainsUsageError(
                f"`{chainlet}` sets the environment variable {name!r}, which cannot be set. Correct `env_variables`."
            )
    with sharing:
        ours = {name for name in variables if name in _claims or name not in os.environ}
        for name in ours:
            if other := rival(name, chainlet=chainlet, value=variables[name]):
                raise ChainsUsageError(
                    f"`{chainlet}` sets the environment variable {name} to something else than `{other}` does, "
                    "and both run in one process. Give it the same value in both `env_variables`, or hand the "
                    "value to the code in another way."
                )
        for name, value in variables.items():
            if name in ours:
                claim(name, chainlet=chainlet, value=value)
                os.environ[name] = value
            elif os.environ[name] != value:
                log.warning(
                    "%s stays as this process's environment has it, not as `%s` sets it", name, chainlet
                )


def rival(thing: str, *, chainlet: str, value: str) -> str | None:
    """The chainlet of this process that relies on another value of a variable or path, if there is one."""
    owners = _claims.get(thing, {})
    return next((other for other, its in owners.items() if other != chainlet and its != value), None)


def claim(thing: str, *, chainlet: str, value: str) -> None:
    """Note that a chainlet relies on this value, in place of what it relied on before."""
    _claims.setdefault(thing, {})[chainlet] = value
