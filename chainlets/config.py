"""What a chainlet asks for: hardware, packages, secrets, and how it is called.

Names, arguments and defaults are those of truss_chains, so that its sources load unchanged.
"""

from __future__ import annotations

import os
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

#: GPU types a chainlet may ask for; "any" means whichever is there.
ACCELERATORS = (
    "any", "T4", "L4", "A10G", "V100", "A100", "A100_40GB", "H100", "H100_40GB", "H200", "L40S",
    "B10", "B200", "B300", "GB300", "RTX_PRO_6000",
)  # fmt: skip


class _Value(BaseModel):
    """A frozen, keyword-only value that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Compute(_Value):
    """The hardware one replica of a chainlet needs.

    Attributes:
        cpu_count: processor cores.
        memory: main memory with a binary unit, such as "2Gi".
        gpu: a type from `ACCELERATORS` in its exact spelling, or None for a machine without one.
        gpu_count: how many of them; counts only together with `gpu`.
        predict_concurrency: how many calls one replica executes at a time, or "cpu_count".
        instance_type: accepted for sources written for truss_chains; has no effect here.
    """

    cpu_count: int = Field(default=1, ge=1)
    memory: str = Field(default="2Gi", pattern=r"^\d+(\.\d+)?(Ki|Mi|Gi|Ti)?$")
    gpu: str | None = None
    gpu_count: int = Field(default=1, ge=1, le=16)
    predict_concurrency: int | Literal["cpu_count"] = 1
    instance_type: str | None = None

    @field_validator("gpu")
    @classmethod
    def _known_gpu(cls, value: str | None) -> str | None:
        if value is not None and value not in ACCELERATORS:
            msg = f"unknown GPU type {value!r}. Write one of: {', '.join(ACCELERATORS)}."
            raise ValueError(msg)
        return value

    @property
    def queue(self) -> str:
        """The hardware tag calls are sent to: `cpu`, `gpu.any`, `gpu.t4`, `gpu.h100.2`."""
        if self.gpu is None:
            return "cpu"
        tag = f"gpu.{self.gpu.lower()}"
        return tag if self.gpu_count == 1 else f"{tag}.{self.gpu_count}"

    @property
    def concurrency(self) -> int:
        """How many calls one replica executes at a time."""
        if self.predict_concurrency == "cpu_count":
            return os.cpu_count() or 1
        return self.predict_concurrency


class BasetenImage:
    """Base images by Python version; only a label here, where chains run in the worker's own Python."""

    PY39 = "py39"
    PY310 = "py310"
    PY311 = "py311"


class DockerImage(_Value):
    """Packages a chainlet needs. Nothing is installed at run time; they are used when an image is built."""

    base_image: Any = BasetenImage.PY311
    pip_requirements: list[str] = []
    apt_requirements: list[str] = []
    requirements_file: Any = None
    pip_requirements_file: Any = None
    data_dir: Any = None
    external_package_dirs: Any = None
    truss_server_version_override: str | None = None


class Assets(_Value):
    """What a replica finds beside its code.

    Attributes:
        secret_keys: names of the secrets its context may read.
        cached, external_data, weights: model files and data, as in truss_chains.
    """

    cached: tuple[Any, ...] = ()
    secret_keys: tuple[str, ...] = ()
    external_data: tuple[Any, ...] = ()
    weights: tuple[Any, ...] = ()

    def __init__(self, **values: Any) -> None:
        super().__init__(**{k: tuple(v) if isinstance(v, (list, set)) else v for k, v in values.items()})


class ChainletOptions(_Value):
    """Rarely needed switches, as in truss_chains."""

    enable_b10_tracing: bool = False
    enable_debug_logs: bool = False
    env_variables: dict[str, str] = {}
    health_checks: Any = None
    metadata: Any = None
    streaming_read_timeout: int = 60
    transport: Any = None


class RemoteConfig(_Value):
    """Everything a chainlet asks for, set as its class variable `remote_config`."""

    docker_image: DockerImage = DockerImage()
    compute: Compute = Compute()
    assets: Assets = Assets()
    name: str | None = None
    options: ChainletOptions = ChainletOptions()
    build_commands: list[str] = []


class RPCOptions(BaseModel):
    """How a dependency is called.

    Attributes:
        retries: attempts in all; 0 and 1 both mean one.
        timeout_sec: seconds one attempt may take, counted from when a worker starts it.
        use_binary: accepted for sources written for truss_chains.
        concurrency_limit: calls to this dependency that one process has under way; more wait.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    retries: int = Field(default=1, ge=0)
    timeout_sec: float = Field(default=600.0, gt=0)
    use_binary: bool = False
    concurrency_limit: int = Field(default=300, ge=1)
