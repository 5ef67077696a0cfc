"""Write chains. What is listed here is promised; the rest may change any day.

A name is imported when it is first used, so that `import chainlets` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainlets.batching import batched
    from chainlets.chainlet import (
        ChainletBase,
        EngineBuilderLLMChainlet,
        ModelBase,
        TrussChainlet,
        depends,
        depends_context,
        mark_entrypoint,
    )
    from chainlets.cloud import EngineBuilderLLMInput, TrussHandle, push
    from chainlets.config import (
        Assets,
        BasetenImage,
        ChainletOptions,
        Compute,
        CustomImage,
        DockerImage,
        RemoteConfig,
        RPCOptions,
    )
    from chainlets.context import (
        CallInfo,
        DeployedServiceDescriptor,
        DeploymentContext,
        Environment,
        cancelled,
        emit,
        info,
        log,
        offload,
        progress,
        scratch_dir,
        warn,
    )
    from chainlets.errors import (
        CallCancelled,
        CallError,
        ChainletsError,
        ChainsDeploymentError,
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
    from chainlets.paths import make_abs_path_here
    from chainlets.remote import StubBase
    from chainlets.remote_error import RemoteErrorDetail
    from chainlets.truss_config import WeightsSource
    from chainlets.websocket import WebSocketDisconnect, WebSocketProtocol

_HOMES = {
    "batching": "batched",
    "chainlet": "ChainletBase EngineBuilderLLMChainlet ModelBase TrussChainlet depends depends_context mark_entrypoint",
    "cloud": "EngineBuilderLLMInput TrussHandle push",
    "config": "Assets BasetenImage ChainletOptions Compute CustomImage DockerImage RPCOptions RemoteConfig",
    "context": "CallInfo DeployedServiceDescriptor DeploymentContext Environment cancelled emit info log offload progress scratch_dir warn",
    "errors": "CallCancelled CallError ChainletsError ChainsDeploymentError ChainsRuntimeError ChainsUsageError GenericRemoteException InputRejected MissingDependencyError StoreUnavailable WorkerLost",
    "files": "File",
    "local": "run_local",
    "paths": "make_abs_path_here",
    "remote": "StubBase",
    "remote_error": "RemoteErrorDetail",
    "truss_config": "WeightsSource",
    "websocket": "WebSocketDisconnect WebSocketProtocol",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Assets",
    "BasetenImage",
    "CallCancelled",
    "CallError",
    "CallInfo",
    "ChainletBase",
    "ChainletOptions",
    "ChainletsError",
    "ChainsDeploymentError",
    "ChainsRuntimeError",
    "ChainsUsageError",
    "Compute",
    "CustomImage",
    "DeployedServiceDescriptor",
    "DeploymentContext",
    "DockerImage",
    "EngineBuilderLLMChainlet",
    "EngineBuilderLLMInput",
    "Environment",
    "File",
    "GenericRemoteException",
    "InputRejected",
    "MissingDependencyError",
    "ModelBase",
    "RPCOptions",
    "RemoteConfig",
    "RemoteErrorDetail",
    "StoreUnavailable",
    "StubBase",
    "TrussChainlet",
    "TrussHandle",
    "WebSocketDisconnect",
    "WebSocketProtocol",
    "WeightsSource",
    "WorkerLost",
    "batched",
    "cancelled",
    "depends",
    "depends_context",
    "emit",
    "info",
    "log",
    "make_abs_path_here",
    "mark_entrypoint",
    "offload",
    "progress",
    "push",
    "run_local",
    "scratch_dir",
    "warn",
]


if not TYPE_CHECKING:  # where it is, the imports above say which names there are

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            msg = f"`chainlets` has no {name!r}. What there is: {', '.join(__all__)}."
            raise AttributeError(msg)
        value = globals()[name] = getattr(importlib.import_module(f"chainlets.{_HOME[name]}"), name)
        return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
