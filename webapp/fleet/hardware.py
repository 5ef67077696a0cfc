"""Which hardware this machine has, as queue tags."""

import re
from collections import Counter
from collections.abc import Sequence

from chainlets.config import ACCELERATORS
from chainlets.runtime.gpus import Gpu, gpus


def detect() -> str:
    """`cpu`, or the tag of this process's GPUs such as `gpu.t4` or `gpu.h100.2`; of several kinds the most frequent."""
    return label(gpus())


def has_gpu() -> bool:
    """Whether this process may use an NVIDIA GPU that its driver knows."""
    return bool(gpus())


def label(found: Sequence[Gpu]) -> str:
    """The tag for these GPUs; `cpu` for none."""
    if not found:
        return "cpu"
    tag, count = Counter(tag_for(gpu.name) for gpu in found).most_common(1)[0]
    return tag if count == 1 else f"{tag}.{count}"


def queues(found: Sequence[Gpu]) -> list[str]:
    """What a process with these GPUs can serve: `gpu.any`, `gpu.t4`, and `gpu.t4.2` up to as many as there are."""
    kinds = Counter(tag_for(gpu.name) for gpu in found)
    if kinds:
        kinds["gpu.any"] = max(kinds.values())
    return [_of(tag, n) for tag in sorted(kinds) for n in range(1, kinds[tag] + 1)]


def tag_for(name: str) -> str:
    """The tag for a GPU's product name, such as "NVIDIA A10G" or "Tesla T4"; `gpu.any` for one we have no tag for."""
    words = set(re.split(r"[\s-]+", name.upper()))
    found = [gpu for gpu in ACCELERATORS if gpu != "any" and words.issuperset(gpu.split("_"))]
    return f"gpu.{max(found, key=len).lower()}" if found else "gpu.any"


def _of(tag: str, count: int) -> str:
    return tag if count == 1 else f"{tag}.{count}"
