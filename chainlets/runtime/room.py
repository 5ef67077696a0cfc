"""Which replicas a worker lets go so that one more fits: decided on plain values."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass

from chainlets.config import Compute

_UNITS = {"": 1, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti)?")

Key = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of main memory, and of each GPU that a process sees; infinite where nothing sets a bound."""

    main: float = 0
    gpu: float = 0

    def minus(self, other: Memory) -> Memory:
        """What is left of both."""
        return Memory(main=self.main - other.main, gpu=self.gpu - other.gpu)

    def least(self, other: Memory) -> Memory:
        """Of each kind the smaller amount."""
        return Memory(main=min(self.main, other.main), gpu=min(self.gpu, other.gpu))


UNBOUNDED = Memory(main=math.inf, gpu=math.inf)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A replica as it stands.

    Attributes:
        need: what it takes.
        idle: nobody uses it or is about to.
        used_at: when it was last used, on any clock that all share.
    """

    key: Key
    need: Memory
    idle: bool
    used_at: float


def in_bytes(size: str) -> int:
    """The number of bytes that "2Gi" or "512Mi" means.

    Raises:
        ValueError: it means none.
    """
    match = _SIZE.fullmatch(size)
    if match is None:
        raise ValueError(f"{size!r} is no amount of memory. Write one such as 512Mi or 6Gi.")
    return int(float(match[1]) * _UNITS[match[2] or ""])


def need_of(compute: Compute, *, measured: Memory, limit: Memory) -> Memory:
    """What one more replica takes, as far as anybody can say.

    What its author declared counts, and what its last build took where nothing was declared. The
    latter also where more was declared than there is at all: that was meant for another machine.
    """
    main = in_bytes(compute.memory) if compute.declares("memory") else math.inf
    gpu = in_bytes(compute.gpu_memory) if compute.gpu and compute.gpu_memory else math.inf
    return Memory(
        main=main if main <= limit.main and main < math.inf else measured.main,
        gpu=gpu if gpu <= limit.gpu and gpu < math.inf else measured.gpu,
    )


def next_to_drop(need: Memory, *, limit: Memory, free: Memory, kept: Collection[Kept]) -> Key | None:
    """The replica to let go first so that one more fits; None if it fits, or nothing that is idle helps.

    Args:
        need: what the new one takes.
        limit: what all replicas of this process together may take.
        free: what the machine has left at this moment.
        kept: those there are, under construction included.
    """
    taken = Memory(main=sum(one.need.main for one in kept), gpu=sum(one.need.gpu for one in kept))
    left = limit.minus(taken).least(free)
    short_of_main, short_of_gpu = need.main > left.main, need.gpu > left.gpu
    helpful = [
        one
        for one in kept
        if one.idle and ((short_of_main and one.need.main > 0) or (short_of_gpu and one.need.gpu > 0))
    ]
    return min(helpful, key=lambda one: one.used_at).key if helpful else None
