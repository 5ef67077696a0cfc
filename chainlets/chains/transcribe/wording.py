"""What people read about a decoding: lengths of time, and what is wrong with a recording."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_SHORTFALL = 1.0  # seconds that a recording may lack without a word
_MINUTES_FROM = 120.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Damage:
    """Where sound is missing in a recording.

    Attributes:
        places: the first ones, in seconds from the start of the recording.
        more: how many follow those.
        seconds: how much sound is missing in all, as far as one can tell.
        early: what follows may be too early, because nothing says how much is missing.
    """

    places: Sequence[float] = ()
    more: int = 0
    seconds: float = 0.0
    early: bool = False


def warnings_about(
    *, seconds: float, declared: float | None, tolerance: float | None, damage: Damage
) -> list[str]:
    """Sentences about what could not be decoded.

    Args:
        seconds: how long the decoded recording is.
        declared: how long the file says it is, if that is worth comparing.
        tolerance: how far that may be off, as a share of it.
        damage: where sound is missing.
    """
    found = []
    short = declared is not None and declared - seconds > max(_SHORTFALL, declared * (tolerance or 0.0))
    if declared is not None and short:
        found.append(
            f"The file says it is {clock(declared)} long, but only {clock(seconds)} could be decoded."
        )
    # A file that was cut off ends in half a packet. That is said already.
    only_its_end = len(damage.places) == 1 and seconds - damage.places[0] < _SHORTFALL
    if damage.places and not (short and only_its_end):
        found.append(_damage_in_words(damage))
    return found


def clock(seconds: float) -> str:
    """A length of time as people write it: 3661 → "1:01:01", 61 → "1:01"."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _damage_in_words(damage: Damage) -> str:
    # The second that has begun: who listens from there hears what comes before.
    places = [clock(math.floor(place)) for place in damage.places]
    if damage.more:
        places.append(f"{damage.more} more")
    where = " and ".join(filter(None, (", ".join(places[:-1]), places[-1])))
    sentence = f"{_amount(damage.seconds)} at {where} could not be decoded."
    if damage.early:
        sentence += f" Times after {'that' if len(places) == 1 else 'these places'} may be early."
    return sentence


def _amount(seconds: float) -> str:
    if seconds < 1.0:
        return "Less than a second"
    return f"About {round(seconds)} s" if seconds < _MINUTES_FROM else f"About {round(seconds / 60)} min"
