"""The values that sources written for truss_chains take from `truss.base.truss_config`.

Models and data to fetch before a replica is built, health checks, transports. Names, arguments and
defaults are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

from chainlets.config_value import ConfigValue

if TYPE_CHECKING:
    from pydantic import Field

_SOURCES = ("hf", "s3", "gs", "azure", "r2", "cw", "https")


class Accelerator(StrEnum):
    """GPU types by their exact spelling."""

    T4 = "T4"
    L4 = "L4"
    A10G = "A10G"
    V100 = "V100"
    A100 = "A100"
    A100_40GB = "A100_40GB"
    H100 = "H100"
    H100_40GB = "H100_40GB"
    H200 = "H200"
    L40S = "L40S"
    B10 = "B10"
    B200 = "B200"
    B300 = "B300"
    GB300 = "GB300"
    RTX_PRO_6000 = "RTX_PRO_6000"


class ModelRepo(ConfigValue):
    """A model's files in a repository, fetched once into the data folder.

    Attributes:
        repo_id: such as "openai/whisper-base".
        revision: a branch, tag or commit; the newest by default. A commit makes runs repeatable.
        allow_patterns: only files that match one of these, such as "*.safetensors"; all by default.
        ignore_patterns: files to leave out.
        volume_folder: the folder's name below the place where models lie.
        use_volume: whether the source reads the files from `volume_folder`.
        kind: where the repository is: "hf" is Hugging Face.
        runtime_secret_name: the secret that opens a private repository.
    """

    repo_id: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    allow_patterns: Sequence[str] | None = None
    ignore_patterns: Sequence[str] | None = None
    volume_folder: str | None = None
    use_volume: bool = False
    kind: str = "hf"
    runtime_secret_name: str = "hf_access_token"  # noqa: S105 (the name of a secret)


class ExternalDataItem(ConfigValue):
    """A file to fetch once into the data folder.

    Attributes:
        url: its address, starting with https://, http:// or file://.
        local_data_path: where it is put, relative to the data folder.
        backend, name: accepted for sources written for truss_chains.
    """

    url: str
    local_data_path: Annotated[str, Field(min_length=1)]
    backend: str = "http_public"
    name: str | None = None

    @classmethod
    def _refuse(cls, given: Mapping[str, Any]) -> None:
        url = given.get("url", "https://")
        if not str(url).startswith(("https://", "http://", "file://")):
            raise ValueError(
                f"`ExternalDataItem.url` is {url!r}. Write a full address, such as https://example.org/data.bin or "
                "file:///srv/data.bin."
            )


class WeightsSource(ConfigValue):
    """Weights that lie at a fixed path before a replica is built.

    Attributes:
        source: `scheme://…` with one of the schemes hf, s3, gs, azure, r2, cw, https; a revision of
            a Hugging Face repository follows an @, as in "hf://openai/whisper-base@main".
        mount_location: the absolute path where the chainlet finds the files.
        auth: how the source is opened, as in truss.
        auth_secret_name: the secret that opens it.
        allow_patterns: only files that match one of these; all by default.
        ignore_patterns: files to leave out.
    """

    source: str
    mount_location: str
    auth: Mapping[str, Any] | None = None
    auth_secret_name: str | None = None
    allow_patterns: Sequence[str] | None = None
    ignore_patterns: Sequence[str] | None = None

    @classmethod
    def _refuse(cls, given: Mapping[str, Any]) -> None:
        if "source" in given and not _is_source(str(given["source"])):
            raise ValueError(
                f"`WeightsSource.source` is {given['source']!r}. Write `scheme://…` with one of the schemes "
                f"{', '.join(_SOURCES)}, such as 'hf://openai/whisper-base@main'."
            )
        if "mount_location" in given and not _is_mount(str(given["mount_location"])):
            raise ValueError(
                f"`WeightsSource.mount_location` is {given['mount_location']!r}. Write the absolute path of a folder, "
                "without `..`, such as '/models/whisper'."
            )


class HealthChecks(ConfigValue):
    """How long a replica may be unwell; accepted for sources written for truss_chains, has no effect here.

    Attributes:
        restart_check_delay_seconds: how long after its start a replica is first judged.
        restart_threshold_seconds: how long it may be unwell before it is built again.
        stop_traffic_threshold_seconds: how long it may be unwell before it gets no more calls.
        startup_threshold_seconds: how long it may take to become well at all.
    """

    restart_check_delay_seconds: Annotated[int, Field(ge=0)] | None = None
    restart_threshold_seconds: Annotated[int, Field(ge=0)] | None = None
    stop_traffic_threshold_seconds: Annotated[int, Field(ge=0)] | None = None
    startup_threshold_seconds: Annotated[int, Field(ge=0)] | None = None


class HTTPOptions(ConfigValue):
    """The chainlet answers over HTTP."""


class WebsocketOptions(ConfigValue):
    """The chainlet takes a websocket. The two times have no effect here: the web server pings.

    Attributes:
        ping_interval_seconds: seconds between two pings.
        ping_timeout_seconds: seconds to wait for the answer before the socket is closed.
    """

    ping_interval_seconds: Annotated[float, Field(gt=0)] | None = None
    ping_timeout_seconds: Annotated[float, Field(gt=0)] | None = None


class GRPCOptions(ConfigValue):
    """The chainlet answers over gRPC."""


def _is_source(text: str) -> bool:
    scheme, _, place = text.partition("://")
    return scheme in _SOURCES and place.strip("/") != ""


def _is_mount(text: str) -> bool:
    path = PurePosixPath(text)
    return path.is_absolute() and ".." not in path.parts and path.name != ""
