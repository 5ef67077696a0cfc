"""Write chains. What is listed here is promised; the rest may change any day."""

from chainlets.chainlet import ChainletBase, depends, depends_context, mark_entrypoint
from chainlets.config import (
    Assets,
    BasetenImage,
    ChainletOptions,
    Compute,
    DockerImage,
    RemoteConfig,
    RPCOptions,
)
from chainlets.context import (
    DeploymentContext,
    Environment,
    cancelled,
    emit,
    offload,
    progress,
    scratch_dir,
    warn,
)
from chainlets.errors import (
    CallCancelled,
    CallError,
    ChainletsError,
    ChainsRuntimeError,
    ChainsUsageError,
    GenericRemoteException,
    InputRejected,
    MissingDependencyError,
    StoreUnavailable,
    WorkerLost,
)
from chainlets.files import File
from chainlets.local import run_local

__all__ = [
    "Assets",
    "BasetenImage",
    "CallCancelled",
    "CallError",
    "ChainletBase",
    "ChainletOptions",
    "ChainletsError",
    "ChainsRuntimeError",
    "ChainsUsageError",
    "Compute",
    "DeploymentContext",
    "DockerImage",
    "Environment",
    "File",
    "GenericRemoteException",
    "InputRejected",
    "MissingDependencyError",
    "RPCOptions",
    "RemoteConfig",
    "StoreUnavailable",
    "WorkerLost",
    "cancelled",
    "depends",
    "depends_context",
    "emit",
    "mark_entrypoint",
    "offload",
    "progress",
    "run_local",
    "scratch_dir",
    "warn",
]
