"""What memory this machine has, and what this process takes of it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import os
import sys
from pathlib import Path
from typing import Protocol

from chainlets.runtime import gpus
from chainlets.runtime.room import UNBOUNDED, Memory

_MEMINFO = Path("/proc/meminfo")
_CGROUPS = Path("/sys/fs/cgroup")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Machine(Protocol):
    """Where a worker's replicas live."""

    def limit(self) -> Memory:
        """What they may take together."""

    def free(self) -> Memory:
        """What is left at this moment, whoever took the rest."""

    def taken(self) -> Memory:
        """What this process takes, or all processes together where that is not known."""


class Boundless:
    """A machine on which everything fits; for runs inside somebody else's process."""

    def limit(self) -> Memory:
        """No bound."""
        return UNBOUNDED

    def free(self) -> Memory:
        """No bound."""
        return UNBOUNDED

    def taken(self) -> Memory:
        """Nothing worth knowing."""
        return Memory()


class ThisMachine:
    """The real one.

    Args:
        limit: bytes of main memory for this process's replicas; by default all that there is.
    """

    def __init__(self, *, limit: int | None = None) -> None:
        self._gpus = gpus.gpus()
        total = min(_meminfo("MemTotal"), _cgroup("memory.max"))
        shared = [gpu.memory for gpu in self._gpus if gpu.memory]
        self._limit = Memory(
            main=total if limit is None else min(total, limit), gpu=min(shared, default=math.inf)
        )

    def limit(self) -> Memory:
        """The machine's or the container's, or what was set."""
        return self._limit

    def free(self) -> Memory:
        """Main memory by the kernel's estimate, and the fullest GPU's."""
        # What only caches files is given back when it is needed.
        used = _cgroup("memory.current", empty=0) - _cached()
        main = min(_meminfo("MemAvailable"), _cgroup("memory.max") - used)
        found = gpus.free([gpu.uuid for gpu in self._gpus])
        return Memory(main=main, gpu=math.inf if found is None else found)

    def taken(self) -> Memory:
        """This process's main memory; all that is taken of its GPUs."""
        try:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        except OSError:
            pages = 0
        found = gpus.free([gpu.uuid for gpu in self._gpus])
        return Memory(main=pages * _PAGE, gpu=0 if found is None else self._limit.gpu - found)


def give_back() -> None:
    """Hand memory that nobody holds any more to the system, as far as allocators let us."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _meminfo(name: str) -> float:
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:
        return math.inf
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")]
    return found[0] if found else math.inf


def _cgroup(name: str, *, empty: float = math.inf) -> float:
    """A number of this process's control group, if it has one."""
    text = _cgroup_text(name).strip()
    return int(text) if text.isdigit() else empty


def _cached() -> int:
    lines = _cgroup_text("memory.stat").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))


def _cgroup_text(name: str) -> str:
    try:
        own = Path("/proc/self/cgroup").read_text(encoding="utf-8").partition("0::/")[2].split("\n")[0]
        return (_CGROUPS / own / name).read_text(encoding="ascii")
    except OSError:
        return ""
