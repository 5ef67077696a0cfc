"""Names that sources for truss_chains import from its module of this name."""

from chainlets.chainlet import ChainletBase
from chainlets.cloud import EngineBuilderLLMInput
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
from chainlets.context import DeployedServiceDescriptor, DeploymentContext, Environment
from chainlets.errors import (
    ChainsDeploymentError,
    ChainsRuntimeError,
    ChainsUsageError,
    GenericRemoteException,
    MissingDependencyError,
)
from chainlets.paths import AbsPath
from chainlets.remote_error import RemoteErrorDetail, StackFrame
from chainlets.websocket import WebSocketProtocol

__all__ = [
    "AbsPath",
    "Assets",
    "BasetenImage",
    "ChainletBase",
    "ChainletOptions",
    "ChainsDeploymentError",
    "ChainsRuntimeError",
    "ChainsUsageError",
    "Compute",
    "CustomImage",
    "DeployedServiceDescriptor",
    "DeploymentContext",
    "DockerImage",
    "EngineBuilderLLMInput",
    "Environment",
    "GenericRemoteException",
    "MissingDependencyError",
    "RPCOptions",
    "RemoteConfig",
    "RemoteErrorDetail",
    "StackFrame",
    "WebSocketProtocol",
]
