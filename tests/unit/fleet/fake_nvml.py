"""A stand-in for the driver's library, with the part of its interface that we use."""

import sys
from types import SimpleNamespace

import pytest

from chainlets.runtime import gpus

GIB = 1024**3
NAMES = ("Tesla T4", "Tesla T4", "NVIDIA A100-SXM4-80GB")


class NVMLError(Exception):
    """What every call may raise."""


class FakeNvml:
    """Devices by their names; each has 16 GiB."""

    NVMLError = NVMLError
    NVML_DEVICE_MIG_ENABLE = 1

    def __init__(self, *names, divided=(), driver=True):
        self.names, self.divided, self.driver = names, divided, driver
        self.free = [16 * GIB] * len(names)
        self.open = 0

    def nvmlInit(self):  # noqa: N802
        if not self.driver:
            raise NVMLError("NVML Shared Library Not Found")
        self.open += 1

    def nvmlShutdown(self):  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self):  # noqa: N802
        assert self.open
        return len(self.names)

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        assert self.open
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        assert self.open
        return [uuid_of(index) for index in range(len(self.names))].index(uuid)

    def nvmlDeviceGetName(self, device):  # noqa: N802
        return self.names[device]

    def nvmlDeviceGetUUID(self, device):  # noqa: N802
        return uuid_of(device)

    def nvmlDeviceGetMemoryInfo(self, device):  # noqa: N802
        if self.names[device] == "NVIDIA GB10":
            raise NVMLError("Not Supported")
        return SimpleNamespace(total=16 * GIB, free=self.free[device])

    def nvmlDeviceGetMigMode(self, device):  # noqa: N802
        if self.names[device].startswith("Tesla"):
            raise NVMLError("Not Supported")
        return [int(device in self.divided)] * 2


def uuid_of(index):
    return f"GPU-{index}f00-aaaa"


def use(monkeypatch: pytest.MonkeyPatch, fake: FakeNvml) -> FakeNvml:
    """Put it in the place of the library, for this test."""
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    for name in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    gpus.gpus.cache_clear()
    return fake
