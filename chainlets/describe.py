"""A chainlet class as the engine knows it: what it takes and gives, what it calls, what it needs."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from chainlets.chainlet import BASES, ChainletBase, DependencyMarker, is_chainlet, markers_of
from chainlets.config import Compute, RPCOptions
from chainlets.endpoint import Endpoint
from chainlets.faults import Fault, raise_faults
from chainlets.validation import check


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """One chainlet that another calls, and how."""

    argument: str
    chainlet: type[ChainletBase]
    options: RPCOptions


@dataclass(frozen=True, kw_only=True)
class ChainletDescriptor:
    """Everything the engine knows about a chainlet class."""

    cls: type[ChainletBase]
    name: str
    description: str
    compute: Compute
    dependencies: tuple[Dependency, ...]
    endpoint: Endpoint

    @property
    def queue(self) -> str:
        """The hardware tag its calls are sent to."""
        return self.compute.queue


def describe(cls: type[ChainletBase]) -> ChainletDescriptor:
    """Read a chainlet class, once.

    Raises:
        ChainsUsageError: it breaks rules; the message lists every one with file and line.
    """
    descriptor, faults = inspect_class(cls)
    raise_faults(faults)
    assert descriptor is not None
    return descriptor


def inspect_class(cls: type[ChainletBase]) -> tuple[ChainletDescriptor | None, list[Fault]]:
    """Read a chainlet class, once: its descriptor, or else its faults."""
    if cls not in _inspected:
        endpoint, faults = check(cls)
        _inspected[cls] = (None if faults or endpoint is None else _descriptor(cls, endpoint), faults)
    return _inspected[cls]


_inspected: WeakKeyDictionary[type[ChainletBase], tuple[ChainletDescriptor | None, list[Fault]]] = (
    WeakKeyDictionary()
)


def dependencies_of(cls: type[ChainletBase]) -> tuple[Dependency, ...]:
    """What a class calls, as far as it names chainlets; also through `super().__init__()`."""
    found: list[Dependency] = []
    for base in cls.__mro__:
        if "__init__" not in base.__dict__ or not is_chainlet(base) or base in BASES:
            continue
        found += [
            Dependency(argument=name, chainlet=marker.chainlet, options=marker.options)
            for name, marker in markers_of(base).items()
            if isinstance(marker, DependencyMarker)
            and is_chainlet(marker.chainlet)
            and marker.chainlet not in BASES
        ]
        if "__init__" not in inspect.unwrap(base.__dict__["__init__"]).__code__.co_names:
            break
    return tuple(found)


def _descriptor(cls: type[ChainletBase], endpoint: Endpoint) -> ChainletDescriptor:
    return ChainletDescriptor(
        cls=cls,
        name=cls.__name__,
        description=inspect.getdoc(cls) or "" if cls.__doc__ else "",
        compute=cls.remote_config.compute,
        dependencies=dependencies_of(cls),
        endpoint=endpoint,
    )
