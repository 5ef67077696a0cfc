"""Another module of this name, for the chain beside it."""

from pydantic import BaseModel


class Tariff(BaseModel):
    """Not the one of the folder above."""

    per_line: float = 0.5


def fail_at_first(times: int) -> str:
    """Takes other arguments than the function of this name in the folder above."""
    return f"never fails, not even {times} times"
