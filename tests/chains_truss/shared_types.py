"""What several chains of this folder share; it has no chainlet of its own."""

from pathlib import Path

from pydantic import BaseModel


class Tariff(BaseModel):
    """How a parcel is priced."""

    per_kilo: float = 2.0
    currency: str = "EUR"


class Parcel(BaseModel):
    """Something to be sent."""

    to: str
    grams: int
    tariff: Tariff = Tariff()


class DeliveryLate(Exception):
    """Defined beside the chains, not in one."""


class InjectedError(Exception):
    """Raised by `fail_at_first`."""


def fail_at_first(times: int, *, ledger: str, who: str) -> None:
    """Raise on the first calls that `who` makes with this ledger; each call adds a line to it."""
    path = Path(ledger)
    with path.open("a") as out:
        out.write(f"{who}\n")
    if path.read_text().splitlines().count(who) <= times:
        raise InjectedError(f"{who} is not in the mood")
