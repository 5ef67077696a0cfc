"""`run`: one run of a chain in this process."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Coroutine, Mapping
from contextlib import ExitStack
from typing import Any

from chainlets.chainlet import ChainletBase, ContextMarker, markers_of
from chainlets.commands.given import arguments_of, read_json
from chainlets.commands.kept import keep_files
from chainlets.commands.refused import ReaderGone, Refused
from chainlets.commands.spoken import spoken_aloud
from chainlets.commands.target import open_chain
from chainlets.endpoint import Piece, Shape
from chainlets.failure import Failure, failure_from
from chainlets.graph import Chain
from chainlets.importing import plain_names
from chainlets.loading import without_effect
from chainlets.local import run_local


def run(options: argparse.Namespace) -> int:
    """Run a chain and print what it returns.

    Raises:
        Refused: it cannot start as it was asked for.
        ChainsUsageError: its source is wrong.
    """
    chain = open_chain(options.target, entrypoint=options.entrypoint)
    if chain.entrypoint.endpoint.shape is Shape.WEBSOCKET:
        raise Refused(
            f"`{chain.name}` takes a websocket, so it needs the server: put its file into CHAINS_DIR, start "
            f"`scripts/run`, and connect to /ws/chains/{chain.name}."
        )
    secrets = _secrets(options.secret)
    _require_secrets(chain, secrets)
    arguments = arguments_of(chain, read_json(options.input))
    for sentence in without_effect(chain):
        sys.stderr.write(f"{sentence}\n")
    with spoken_aloud():
        try:
            with run_local(secrets=secrets, data_dir=options.data_dir, strict=options.strict):
                _call(chain, chain.entrypoint.cls(), arguments)
        except ReaderGone:
            raise
        except Exception as error:  # noqa: BLE001 (a chain may raise anything)
            sys.stdout.flush()
            sys.stderr.write(f"{plain_names(_failure(chain, error, strict=options.strict).text())}\n")
            return 1
    return 0


def _call(chain: Chain, entrypoint: ChainletBase, arguments: Mapping[str, Any]) -> None:
    endpoint = chain.entrypoint.endpoint
    method = getattr(entrypoint, endpoint.method)

    async def print_stream() -> None:
        last: Piece = "\n"
        async for piece in method(**arguments):
            last = piece or last
            _write(piece)
        if isinstance(last, str) and not last.endswith("\n"):
            _write("\n")

    async def call() -> Any:
        return await method(**arguments)

    if endpoint.shape is Shape.STREAM:
        _await(print_stream())
        return
    value = _await(call()) if endpoint.is_async else method(**arguments)
    output = endpoint.encode_output(value, chainlet=chain.entrypoint.name)
    _write(f"{json.dumps(keep_files(output), ensure_ascii=False)}\n")


def _await(coroutine: Coroutine[Any, Any, Any]) -> Any:
    with ExitStack() as stack:
        runner = asyncio.Runner()
        stack.callback(runner.close)
        try:
            return runner.run(coroutine)
        except KeyboardInterrupt:
            stack.pop_all()  # closing would wait for threads in which the chain still works
            raise


def _write(piece: Piece) -> None:
    try:
        if isinstance(piece, str):
            sys.stdout.write(piece)
        else:
            sys.stdout.buffer.write(piece)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error


def _failure(chain: Chain, error: Exception, *, strict: bool) -> Failure:
    told = getattr(error, "failure", None)
    if strict and isinstance(told, Failure) and told.chainlet == chain.entrypoint.name:
        return told  # the engine has written down the whole story
    return failure_from(error, chainlet=chain.entrypoint.name)


def _secrets(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise Refused(f"`--secret {pair}` has no value. Write `--secret {pair}=…`.")
    return dict(pair.split("=", 1) for pair in pairs)


def _require_secrets(chain: Chain, secrets: Mapping[str, str]) -> None:
    missing = {
        key: descriptor.name
        for descriptor in chain.chainlets.values()
        if any(isinstance(marker, ContextMarker) for marker in markers_of(descriptor.cls).values())
        for key in descriptor.cls.remote_config.assets.secret_keys
        if key not in secrets
    }
    if missing:
        lines = [
            f"`{name}` needs the secret {key!r}. Add `--secret {key}=…`." for key, name in missing.items()
        ]
        raise Refused("\n".join(lines))
