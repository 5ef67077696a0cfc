"""A chain as data: its entrypoint, every chainlet below it, and who calls whom."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict

from chainlets.chainlet import BASES, ChainletBase, ModelBase
from chainlets.describe import ChainletDescriptor, dependencies_of, inspect_class
from chainlets.endpoint import Shape
from chainlets.errors import ChainsUsageError
from chainlets.faults import Fault, FaultKind, Faults, place, raise_faults
from chainlets.own_code import code_digests


class Node(BaseModel):
    """A chainlet in the graph."""

    model_config = ConfigDict(frozen=True)

    chainlet: str
    queue: str
    description: str


class Graph(BaseModel):
    """Nodes with the entrypoint first, and edges that mean calls: (caller, callee)."""

    model_config = ConfigDict(frozen=True)

    nodes: list[Node]
    edges: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A graph of chainlets with one entrypoint.

    Attributes:
        name: as given to `mark_entrypoint`, else the name of the entrypoint's class.
        chainlets: descriptors by chainlet name, the entrypoint first.
        digest: changes when the source of any of its modules changes.
        codes: by chainlet name, a digest that changes when its results might; see `own_code`.
    """

    name: str
    entrypoint: ChainletDescriptor
    chainlets: Mapping[str, ChainletDescriptor]
    digest: str
    codes: Mapping[str, str]

    @property
    def description(self) -> str:
        """The entrypoint's docstring."""
        return self.entrypoint.description

    @property
    def queues(self) -> tuple[str, ...]:
        """The hardware tags its calls go to, each once."""
        return tuple(dict.fromkeys(d.queue for d in self.chainlets.values()))

    @property
    def graph(self) -> Graph:
        """Nodes and edges, for drawing."""
        nodes = [
            Node(chainlet=d.name, queue=d.queue, description=d.description) for d in self.chainlets.values()
        ]
        edges = [(d.name, e.chainlet.__name__) for d in self.chainlets.values() for e in d.dependencies]
        return Graph(nodes=nodes, edges=list(dict.fromkeys(edges)))

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of a run's input; a File is the id of an uploaded one."""
        return self.entrypoint.endpoint.input_model.model_json_schema(mode="validation")

    @property
    def output_schema(self) -> dict[str, Any]:
        """JSON Schema of a run's output; of a stream, the array of its pieces."""
        return self.entrypoint.endpoint.output.json_schema(mode="serialization", by_alias=False)


def chain_from(entrypoint: type[ChainletBase]) -> Chain:
    """Walk from an entrypoint through its dependencies.

    Raises:
        ChainsUsageError: chainlets break rules, or two of them share a name; all faults together.
    """
    found: dict[str, ChainletDescriptor] = {}
    faults: list[Fault | str] = []
    waiting: list[type[ChainletBase]] = [entrypoint]
    seen: set[type[ChainletBase]] = set()
    while waiting:
        cls = waiting.pop(0)
        if cls in seen:
            continue
        seen.add(cls)
        descriptor, wrong = inspect_class(cls)
        faults += wrong
        if descriptor is not None:
            faults += _in_this_chain(descriptor, entrypoint, found)
            found.setdefault(cls.__name__, descriptor)
        waiting += [dependency.chainlet for dependency in dependencies_of(cls)]
    raise_faults(faults)
    return Chain(
        name=entrypoint.entrypoint_of or entrypoint.__name__,
        entrypoint=found[entrypoint.__name__],
        chainlets=found,
        digest=_digest(seen),
        codes=code_digests(found),
    )


def _in_this_chain(
    descriptor: ChainletDescriptor, entrypoint: type[ChainletBase], found: Mapping[str, ChainletDescriptor]
) -> list[Fault]:
    """What is right alone and wrong beside the others."""
    faults = Faults(descriptor.cls)
    other = found.get(descriptor.name)
    if other is not None:
        path, line = place(other.cls)
        text = (
            f"two chainlets of this chain are called `{descriptor.name}`, and the other is in {path}:{line}."
        )
        faults.add(FaultKind.TYPE_ERROR, f"{text} Rename one of them.")
    if descriptor.endpoint.shape is Shape.WEBSOCKET and descriptor.cls is not entrypoint:
        text = "only the entrypoint can take a websocket. Let it talk to the client, and call this one with values."
        faults.add(FaultKind.TYPE_ERROR, text, method=descriptor.endpoint.method)
    return faults.found


def entrypoint_of(module: ModuleType) -> type[ChainletBase]:
    """The chainlet that runs of a module's chain begin with.

    The marked one; a module with exactly one chainlet needs no mark.

    Raises:
        ChainsUsageError: none or several could be meant; the message names them.
    """
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ChainletBase) and value not in BASES
    ]
    marked = list(
        dict.fromkeys(cls for cls in classes if cls.entrypoint_of is not None or issubclass(cls, ModelBase))
    )
    candidates = marked or list(dict.fromkeys(classes))
    if len(candidates) == 1:
        return candidates[0]
    names = ", ".join(f"`{cls.__name__}`" for cls in candidates)
    where = getattr(module, "__file__", None) or module.__name__
    if not candidates:
        msg = f"{where} has no chainlet. Write a class derived from `chains.ChainletBase`."
    else:
        msg = f"{where} has several possible entrypoints: {names}. Put `@chains.mark_entrypoint` above one."
    raise ChainsUsageError(msg)


def _digest(classes: Iterable[type[ChainletBase]]) -> str:
    digest = hashlib.sha256()
    files = {_source_of(cls) for cls in classes}
    for file in sorted(f for f in files if f):
        with open(file, "rb") as source:  # noqa: PTH123 (a path from inspect)
            digest.update(source.read())
    return digest.hexdigest()


def _source_of(cls: type[ChainletBase]) -> str | None:
    try:
        return inspect.getsourcefile(cls)
    except (TypeError, OSError):
        return None  # typed into an interpreter
