"""Which bytes a `Range` header asks for. Pure: header and size in, span out."""

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_MAX_DIGITS = 18


@dataclass(frozen=True, kw_only=True)
class Span:
    """Bytes `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.last - self.first + 1


class Unsatisfiable(ValueError):
    """The range begins behind the end of the file."""


def parse_range(header: str, *, size: int) -> Span | None:
    """The span to send, or None where the whole file is the right answer.

    Anything but one well-formed range is ignored, as RFC 9110 allows: many ranges in one request
    could otherwise ask for more bytes than the file has.

    Raises:
        Unsatisfiable: there is no such part; the answer is 416.
    """
    match = _ONE_RANGE.fullmatch(header.strip())
    if match is None:
        return None
    first, last = match.groups()
    if not (first or last) or max(len(first), len(last)) > _MAX_DIGITS:
        return None
    if not first:
        wanted = min(int(last), size)
        if wanted == 0:
            raise Unsatisfiable
        return Span(first=size - wanted, last=size - 1)
    start, end = int(first), int(last) if last else size - 1
    if last and end < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return Span(first=start, last=min(end, size - 1))
