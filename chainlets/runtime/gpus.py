"""The NVIDIA GPUs that this process may use, asked of the driver's own library."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_NONE = ("none", "void")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU.

    Attributes:
        index: its place in the driver's order, which is that of the PCI bus.
        uuid: names it for CUDA_VISIBLE_DEVICES, whatever the order.
        name: the product's name, such as "NVIDIA A10G".
        memory: bytes in all; 0 where it shares the machine's.
    """

    index: int
    uuid: str
    name: str
    memory: int


@functools.cache
def gpus() -> tuple[Gpu, ...]:
    """Those that this process may use, as of its start; none without a driver."""
    with _driver() as nvml:
        found = read(nvml) if nvml else []
    return visible(
        found, cuda=os.environ.get("CUDA_VISIBLE_DEVICES"), nvidia=os.environ.get("NVIDIA_VISIBLE_DEVICES")
    )


def read(nvml: Any) -> list[Gpu]:
    """All that the driver's library knows, but for those that are divided (MIG): no process has them as a whole."""
    found = []
    for index in range(nvml.nvmlDeviceGetCount()):
        device = nvml.nvmlDeviceGetHandleByIndex(index)
        if not _divided(nvml, device):
            name, uuid = nvml.nvmlDeviceGetName(device), nvml.nvmlDeviceGetUUID(device)
            found.append(Gpu(index=index, uuid=uuid, name=name, memory=_memory(nvml, device)))
    return found


def free(uuids: Sequence[str]) -> int | None:
    """Bytes that are free on the fullest of these GPUs; None if nothing can say so."""
    with _driver() as nvml:
        if not nvml or not uuids:
            return None
        try:
            devices = [nvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]
            return min(int(nvml.nvmlDeviceGetMemoryInfo(device).free) for device in devices)
        except nvml.NVMLError:
            return None


def visible(found: Sequence[Gpu], *, cuda: str | None, nvidia: str | None) -> tuple[Gpu, ...]:
    """Those that the environment leaves to this process.

    Args:
        found: what the driver knows, by index.
        cuda: CUDA_VISIBLE_DEVICES; as for CUDA, the first name that is no device ends the list.
        nvidia: NVIDIA_VISIBLE_DEVICES, by which a container is given its devices. Inside of one they
            are numbered anew, so that numbers say nothing once there are as many devices as numbers.
    """
    left = tuple(found)
    if nvidia is not None and nvidia.strip() in _NONE:
        return ()
    if nvidia and nvidia.strip() != "all":
        names = _names(nvidia)
        numbered = all(name.isdigit() for name in names)
        if not (numbered and len(names) == len(left)):
            left = tuple(gpu for name in names if (gpu := _called(name, found)) is not None)
    if cuda is None:
        return left
    chosen: list[Gpu] = []
    for name in _names(cuda):
        gpu = _called(name, left) if not name.isdigit() else _numbered(int(name), left)
        if gpu is None or gpu in chosen:
            break
        chosen.append(gpu)
    return tuple(chosen)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _called(name: str, found: Sequence[Gpu]) -> Gpu | None:
    """By number, or by the beginning of its UUID."""
    if name.isdigit():
        return next((gpu for gpu in found if gpu.index == int(name)), None)
    return next((gpu for gpu in found if name.startswith("GPU-") and gpu.uuid.startswith(name)), None)


def _numbered(number: int, left: Sequence[Gpu]) -> Gpu | None:
    """As CUDA counts: what is left, from 0 on."""
    return left[number] if number < len(left) else None


def _divided(nvml: Any, device: Any) -> bool:
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(device)
    except nvml.NVMLError:
        return False  # most GPUs cannot be divided, and say so by an error
    return bool(current == nvml.NVML_DEVICE_MIG_ENABLE)


def _memory(nvml: Any, device: Any) -> int:
    try:
        return int(nvml.nvmlDeviceGetMemoryInfo(device).total)
    except nvml.NVMLError:
        return 0


@contextlib.contextmanager
def _driver() -> Iterator[Any]:
    """The library while it is in use; None where there is no driver."""
    pynvml: Any = importlib.import_module("pynvml")  # it has no types

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()
