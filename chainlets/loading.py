"""The chain of an imported file, or everything that is wrong with the file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType

from chainlets.chainlet import BASES, ChainletBase, ModelBase, is_chainlet
from chainlets.config import cloud_only
from chainlets.describe import inspect_class
from chainlets.errors import ChainsUsageError
from chainlets.faults import Fault, raise_faults
from chainlets.graph import Chain, chain_from, entrypoint_of
from chainlets.importing import ChainFile


def chain_of(file: ChainFile, *, entrypoint: str | None = None) -> Chain:
    """The chain that a file defines; its digest changes with the neighbours of the file too.

    Args:
        file: as imported.
        entrypoint: the class to begin with, by name; the marked or the only one by default.

    Raises:
        ChainsUsageError: no entrypoint can be told, or chainlets break rules. All faults together, those
            of chainlets that the entrypoint does not reach among them.
    """
    faults: list[Fault | str] = [fault for cls in file.chainlets for fault in inspect_class(cls)[1]]
    try:
        chain = chain_from(find_entrypoint(file.module, entrypoint, among=file.chainlets))
    except ChainsUsageError as error:
        raise_faults([*faults, *(error.faults or [str(error)])])
        raise
    raise_faults(faults)
    return replace(chain, digest=hashlib.sha256(f"{chain.digest} {file.digest}".encode()).hexdigest())


def find_entrypoint(
    module: ModuleType, name: str | None, *, among: Sequence[type[ChainletBase]] = ()
) -> type[ChainletBase]:
    """The chainlet of a module that runs begin with.

    Args:
        module: where it is defined or imported.
        name: the class that is meant; None leaves it to the mark.
        among: further classes that may be meant.

    Raises:
        ChainsUsageError: none is called so, or without a name, none or several could be meant.
    """
    if name is None:
        return entrypoint_of(module)
    values = [value for value in vars(module).values() if is_chainlet(value) and value not in BASES]
    classes: dict[str, type[ChainletBase]] = {cls.__name__: cls for cls in [*among, *values]}
    if name not in classes:
        known = ", ".join(f"`{known}`" for known in classes) or "none"
        raise ChainsUsageError(f"There is no chainlet called `{name}` here. There are: {known}.")
    return classes[name]


def has_mark(module: ModuleType) -> bool:
    """Whether a module defines a chainlet that is marked as an entrypoint, or is one by its base."""
    own = [
        value for value in vars(module).values() if is_chainlet(value) and value.__module__ == module.__name__
    ]
    return any(cls.entrypoint_of is not None or issubclass(cls, ModelBase) for cls in own)


def without_effect(chain: Chain) -> list[str]:
    """A sentence for each setting of a chain's chainlets that only means something on Baseten's cloud."""
    return [
        f"`{descriptor.name}`: {sentence}"
        for descriptor in chain.chainlets.values()
        for sentence in cloud_only(descriptor.cls.remote_config)
    ]
