"""What a chainlet asks for: hardware, packages, secrets, and how it is called.

Names, arguments and defaults are those of truss_chains, so that its sources load unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from chainlets.config_value import ConfigValue
from chainlets.errors import ChainsUsageError
from chainlets.paths import AbsPath
from chainlets.rates import read_rate
from chainlets.truss_config import (
    Accelerator,
    ExternalDataItem,
    GRPCOptions,
    HealthChecks,
    HTTPOptions,
    ModelRepo,
    WebsocketOptions,
    WeightsSource,
)

if TYPE_CHECKING:
    from pydantic import Field

#: GPU types a chainlet may ask for; "any" means whichever is there.
ACCELERATORS = ("any", *(accelerator.value for accelerator in Accelerator))

_HIDDEN = "***"


class ComputeSpec(ConfigValue):
    """What `Compute` amounts to.

    Attributes:
        gpu_count: 0 without a GPU.
        predict_concurrency: always a number of calls.
    """

    cpu_count: int
    memory: str
    gpu: str | None
    gpu_count: int
    predict_concurrency: int
    instance_type: str | None


_SIZE = r"^\d+(\.\d+)?(Ki|Mi|Gi|Ti)?$"


class Compute(ConfigValue):
    """The hardware one replica of a chainlet needs, in the words of truss_chains, and one of ours.

    Attributes:
        cpu_count: processor cores.
        memory: main memory with a binary unit, such as "2Gi". A worker that has no room for one more
            replica lets go of those that were used least recently; if nothing is written here, it
            goes by what the first build took.
        gpu: one of `ACCELERATORS` in its exact spelling, or None for a machine without a GPU.
        gpu_count: how many of them; counts only together with `gpu`.
        predict_concurrency: how many calls one replica executes at a time; "cpu_count" means as
            many as it has cores.
        instance_type: accepted for sources written for truss_chains; has no effect here.
        gpu_memory: memory of each of its GPUs that one replica fills, such as "6Gi"; for the same
            purpose as `memory`.
    """

    cpu_count: Annotated[int, Field(ge=1)] = 1
    memory: Annotated[str, Field(pattern=_SIZE)] = "2Gi"
    gpu: str | None = None
    gpu_count: Annotated[int, Field(ge=1, le=16)] = 1
    predict_concurrency: Annotated[int, Field(ge=1)] | Literal["cpu_count"] = 1
    instance_type: str | None = None
    gpu_memory: Annotated[str, Field(pattern=_SIZE)] | None = None

    @classmethod
    def _refuse(cls, given: Mapping[str, Any]) -> None:
        gpu = given.get("gpu")
        if gpu is not None and gpu not in ACCELERATORS:
            raise ValueError(f"unknown GPU type {gpu!r}. Write one of: {', '.join(ACCELERATORS)}.")

    def declares(self, name: str) -> bool:
        """Whether the author wrote this field, be it with its default."""
        return name in vars(self)

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
        return self.cpu_count if self.predict_concurrency == "cpu_count" else self.predict_concurrency

    def get_spec(self) -> ComputeSpec:
        """The same with everything worked out."""
        return ComputeSpec(
            cpu_count=self.cpu_count,
            memory=self.memory,
            gpu=self.gpu,
            gpu_count=self.gpu_count if self.gpu else 0,
            predict_concurrency=self.concurrency,
            instance_type=self.instance_type,
        )


class BasetenImage(Enum):
    """Base images by Python version; only a label here, where chains run in the worker's own Python."""

    PY39 = "py39"
    PY310 = "py310"
    PY311 = "py311"


class CustomImage(ConfigValue):
    """A base image of one's own.

    Attributes:
        image: such as "python:3.11-slim".
        python_executable_path, docker_auth: accepted for sources written for truss_chains; have no
            effect here.
    """

    image: Annotated[str, Field(min_length=1)]
    python_executable_path: str | None = None
    docker_auth: Any = None


_Path = str | Path | AbsPath


class DockerImage(ConfigValue):
    """Packages a chainlet needs. Nothing is installed at run time; they are used when an image is built.

    Attributes:
        base_image: a `BasetenImage` or a `CustomImage`.
        pip_requirements: lines as in a requirements file.
        apt_requirements: names of system packages.
        requirements_file: a path, or what `make_abs_path_here` gives.
        pip_requirements_file: an older name of `requirements_file`; write only one of them.
        data_dir: a folder of data that belongs to the chainlet; its context's `data_dir` shows what
            lies in it.
        external_package_dirs, truss_server_version_override: accepted for sources written for
            truss_chains; have no effect here.
    """

    base_image: BasetenImage | CustomImage = BasetenImage.PY311
    pip_requirements: Sequence[str] = ()
    apt_requirements: Sequence[str] = ()
    requirements_file: _Path | None = None
    pip_requirements_file: _Path | None = None
    data_dir: _Path | None = None
    external_package_dirs: Sequence[_Path] | None = None
    truss_server_version_override: str | None = None

    @classmethod
    def _refuse(cls, given: Mapping[str, Any]) -> None:
        image = given.get("base_image")
        if isinstance(image, str):
            raise ChainsUsageError(
                f"`DockerImage.base_image` is the text {image!r}. Write `chains.CustomImage(image={image!r})`, or a "
                "`chains.BasetenImage` such as `BasetenImage.PY311`."
            )
        if given.get("requirements_file") is not None and given.get("pip_requirements_file") is not None:
            raise ChainsUsageError(
                "`DockerImage` has both `requirements_file` and `pip_requirements_file`. Write "
                "`requirements_file` only; the other is its older name."
            )


class AssetsSpec(ConfigValue):
    """What `Assets` amounts to; `secrets` has the keys, each with `***` in place of its value."""

    secrets: Mapping[str, str]
    cached: Sequence[ModelRepo]
    external_data: Sequence[ExternalDataItem]
    weights: Sequence[WeightsSource]


class Assets(ConfigValue):
    """What a replica finds beside its code.

    Attributes:
        cached: models in repositories, fetched once.
        secret_keys: names of the secrets its context may read.
        external_data: files fetched once into the data folder.
        weights: weights that lie at a fixed path.
    """

    cached: Sequence[ModelRepo] = ()
    secret_keys: Sequence[str] = ()
    external_data: Sequence[ExternalDataItem] = ()
    weights: Sequence[WeightsSource] = ()

    def get_spec(self) -> AssetsSpec:
        """The same as data that may be shown to anybody."""
        return AssetsSpec(
            secrets=dict.fromkeys(self.secret_keys, _HIDDEN),
            cached=self.cached,
            external_data=self.external_data,
            weights=self.weights,
        )

    def _shown(self) -> dict[str, Any]:
        keys = {"secret_keys": dict.fromkeys(self.secret_keys, _HIDDEN)} if self.secret_keys else {}
        return super()._shown() | keys


class ChainletOptions(ConfigValue):
    """Rarely needed switches, as in truss_chains, and three of ours.

    Attributes:
        enable_b10_tracing, health_checks, metadata: accepted for sources written for truss_chains;
            have no effect here.
        enable_debug_logs: whether the chainlet's log lines of level DEBUG are kept.
        env_variables: environment variables that its replicas find.
        streaming_read_timeout: seconds between two pieces of a stream before its reader gives up.
        transport: what the entrypoint is reached by; it follows from `run_remote` by default. The
            ping times of a websocket have no effect here.
        fleet_concurrency_limit: calls of this chainlet that all workers together have under way;
            more stay queued. No limit by default.
        fleet_rate_limit: how many calls of this chainlet all workers together start in a time, such as
            "10/s", "100/m", "5000/h" or "20000/d"; more stay queued. Each attempt counts. No limit by default.
        cache_s: seconds for which the result of a call may serve other runs of the same user, that
            call this chainlet with the same input. Not at all by default.
    """

    enable_b10_tracing: bool = False
    enable_debug_logs: bool = False
    env_variables: Mapping[str, str] = MappingProxyType({})
    health_checks: HealthChecks | None = None
    metadata: Any = None
    streaming_read_timeout: Annotated[int, Field(ge=1)] = 60
    transport: HTTPOptions | WebsocketOptions | GRPCOptions | None = None
    fleet_concurrency_limit: Annotated[int, Field(ge=1)] | None = None
    fleet_rate_limit: str | None = None
    cache_s: Annotated[float, Field(gt=0)] | None = None

    @classmethod
    def _refuse(cls, given: Mapping[str, Any]) -> None:
        rate = given.get("fleet_rate_limit")
        if isinstance(rate, str):
            try:
                read_rate(rate)
            except ValueError as error:
                raise ValueError(f"fleet_rate_limit: {error}") from None


class RemoteConfig(ConfigValue):
    """Everything a chainlet asks for, set as its class variable `remote_config`."""

    docker_image: DockerImage = DockerImage()
    compute: Compute = Compute()
    assets: Assets = Assets()
    name: str | None = None
    options: ChainletOptions = ChainletOptions()
    build_commands: Sequence[str] = ()


class RPCOptions(ConfigValue, strict=True, extra="ignore"):
    """How a dependency is called.

    Attributes:
        retries: attempts in all; 0 and 1 both mean one.
        timeout_sec: seconds one attempt may take, counted from when a worker starts it.
        use_binary: arguments and result travel as bytes in a file, not as JSON in a row.
        concurrency_limit: calls to this dependency that one process has under way; more wait.
    """

    retries: Annotated[int, Field(ge=0)] = 1
    timeout_sec: Annotated[float, Field(gt=0)] = 600.0
    use_binary: bool = False
    concurrency_limit: Annotated[int, Field(ge=1)] = 300


_NOT_INSTALLED = "nothing is installed at run time, only when an image is built"

_PINGS = "the web server decides how it pings"

_NO_EFFECT = {
    "docker_image.base_image": "chains run in the worker's own Python; an image is chosen when it is built",
    "docker_image.base_image.python_executable_path": "chains run in the worker's own Python",
    "docker_image.base_image.docker_auth": "no image is pulled at run time",
    "docker_image.pip_requirements": _NOT_INSTALLED,
    "docker_image.apt_requirements": _NOT_INSTALLED,
    "docker_image.requirements_file": _NOT_INSTALLED,
    "docker_image.pip_requirements_file": _NOT_INSTALLED,
    "docker_image.external_package_dirs": (
        "imports are found beside the chain's file and in the worker's own Python, so install other packages there"
    ),
    "docker_image.truss_server_version_override": "there is no Truss server",
    "build_commands": "they are for building an image, and nothing is built at run time",
    "compute.instance_type": "calls are routed by `gpu` and `gpu_count`",
    "options.enable_b10_tracing": "every run is traced as it is",
    "options.health_checks": "a replica whose `is_healthy` says no is built anew for its next call",
    "options.metadata": "nothing reads it",
    "options.transport.ping_interval_seconds": _PINGS,
    "options.transport.ping_timeout_seconds": _PINGS,
}


def cloud_only(config: RemoteConfig) -> list[str]:
    """One sentence for each setting that differs from its default and has no effect here."""
    default = RemoteConfig()
    return [
        f"`{path}` has no effect here: {reason}."
        for path, reason in _NO_EFFECT.items()
        if _setting(config, path) != _setting(default, path)
    ]


def _setting(config: RemoteConfig, path: str) -> Any:
    value: Any = config
    return reduce(lambda owner, name: getattr(owner, name, None), path.split("."), value)
