"""The chains there are, in memory for running them and in the database for remembering them."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max

from chainlets.graph import Chain as LoadedChain
from chainlets.runtime.loader import Loaded, Loader, Problem
from webapp.catalog.models import Chain, ChainVersion


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """The chains there are now.

    Attributes:
        chains: by name.
        versions: the recorded version of each, by the chain's name.
        problems: files of CHAINS_DIR that could not be loaded.
    """

    chains: Mapping[str, LoadedChain]
    versions: Mapping[str, ChainVersion]
    problems: Sequence[Problem]


@functools.cache
def loader() -> Loader:
    """The process's loader, made from the settings."""
    folder = Path(settings.CHAINS_DIR).expanduser() if settings.CHAINS_DIR else None
    return Loader(modules=settings.CHAINS, folder=folder)


def loaded_chains() -> Loaded:
    """The chains there are now, without touching the database; cheap when no file has changed."""
    return loader().current()


def current_catalog() -> Catalog:
    """The chains there are now, each with its recorded version; new contents are recorded."""
    loaded = loaded_chains()
    digests = {chain.digest for chain in loaded.chains.values()}
    rows = ChainVersion.objects.filter(digest__in=digests).select_related("chain")
    known = {(row.chain.name, row.digest): row for row in rows}
    versions = {
        chain.name: known.get((chain.name, chain.digest)) or _record(chain)
        for chain in loaded.chains.values()
    }
    return Catalog(chains=loaded.chains, versions=versions, problems=loaded.problems)


def _record(loaded: LoadedChain) -> ChainVersion:
    chain, _ = Chain.objects.get_or_create(name=loaded.name)
    while True:
        last = chain.versions.aggregate(last=Max("number"))["last"] or 0
        try:
            with transaction.atomic():
                return ChainVersion.objects.create(
                    chain=chain,
                    number=last + 1,
                    digest=loaded.digest,
                    entrypoint=loaded.entrypoint.name,
                    description=loaded.description,
                    graph=loaded.graph.model_dump(mode="json"),
                    input_schema=loaded.input_schema,
                    output_schema=loaded.output_schema,
                )
        except IntegrityError:
            # Another process has just recorded a version. If it is this one we take it; if it
            # only took our number, we count again.
            found = (
                ChainVersion.objects.filter(chain=chain, digest=loaded.digest).select_related("chain").first()
            )
            if found is not None:
                return found
