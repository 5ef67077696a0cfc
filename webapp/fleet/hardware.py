"""Which hardware this machine has, as a queue tag."""

import ctypes
import re
from pathlib import Path

from chainlets.config import ACCELERATORS

_NAME_BYTES = 96


def detect() -> str:
    """`cpu`, or the tag of the first NVIDIA GPU such as `gpu.t4`; `gpu.any` for one we have no tag for."""
    return tag_for(_first_gpu_name())


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU that its driver knows."""
    return detect() != "cpu"


def tag_for(name: str | None) -> str:
    """The tag for a GPU's product name, such as "NVIDIA A10G" or "Tesla T4"; None gives `cpu`."""
    if name is None:
        return "cpu"
    words = set(re.split(r"[\s-]+", name.upper()))
    found = [gpu for gpu in ACCELERATORS if gpu != "any" and gpu in words]
    return f"gpu.{max(found, key=len).lower()}" if found else "gpu.any"


def _first_gpu_name() -> str | None:
    """Ask the driver's own library; without a driver there is none, and no GPU either."""
    if not Path("/proc/driver/nvidia").exists() and not Path("/dev/nvidiactl").exists():
        return None
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    if nvml.nvmlInit_v2() != 0:
        return None
    try:
        device = ctypes.c_void_p()
        buffer = ctypes.create_string_buffer(_NAME_BYTES)
        if nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)) != 0:
            return None
        if nvml.nvmlDeviceGetName(device, buffer, _NAME_BYTES) != 0:
            return None
        return buffer.value.decode(errors="replace")
    finally:
        nvml.nvmlShutdown()
