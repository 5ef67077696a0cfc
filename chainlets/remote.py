"""Services elsewhere: what a chainlet calls by HTTP, as if it were a dependency."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Self, TypeVar, overload
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr
from pydantic_core import to_json

from chainlets.clients import client_settings
from chainlets.config import RPCOptions
from chainlets.context import DeploymentContext
from chainlets.errors import ChainsRuntimeError, ChainsUsageError
from chainlets.remote_calls import Service, begin_stream, call, call_sync
from chainlets.slots import Slots

Output = TypeVar("Output", bound=BaseModel)

_KEY_SECRET = "baseten_chain_api_key"  # noqa: S105 (the name of a secret, as in truss_chains)


class StubBase:
    """A service elsewhere. Subclass it with the `run_remote` that your chainlets call.

        class LLM(chains.StubBase):
            async def run_remote(self, prompt: str) -> str:
                return await self.predict_async({"prompt": prompt})

        class Poem(chains.ChainletBase):
            def __init__(self, context: chains.DeploymentContext = chains.depends_context()) -> None:
                self._llm = LLM.from_url("https://models.example/predict", context)

    Such a call is no invocation: it is not recorded, and is made again when its run is resumed. So
    put what costs money into a chainlet of its own.
    """

    __service: Service | None = None

    @classmethod
    def from_url(
        cls,
        predict_url: str,
        context_or_api_key: DeploymentContext | str | None = None,
        options: RPCOptions | None = None,
        **arguments: Any,
    ) -> Self:
        """The stub for an address; nothing is sent yet.

        Args:
            predict_url: where inputs are posted to.
            context_or_api_key: the key that is sent along, or a context that has it as the secret
                `baseten_chain_api_key`; without either none is sent.
            options: how it is called; `timeout_sec` counts once a call has its turn, for a stream
                until it begins and then again for each piece.
            arguments: for the `__init__` of a subclass that has one.

        Raises:
            ChainsUsageError: it is no address, or a key that no header can carry.
        """
        options = options or RPCOptions()
        service = Service(
            name=cls.__name__,
            url=_checked_address(predict_url, cls.__name__),
            key=_key_from(context_or_api_key, cls.__name__),
            options=options,
            slots=Slots(options.concurrency_limit),
        )
        client_settings()  # what takes long is done while the replica is built, not in its first call
        stub = cls(**arguments)
        stub.__service = service
        return stub

    def __repr__(self) -> str:
        at = self.__service.address if self.__service is not None else "no address"
        return f"<{type(self).__name__} at {at}>"

    @overload
    def predict_sync(self, inputs: BaseModel | Mapping[str, Any], output_model: type[Output]) -> Output: ...
    @overload
    def predict_sync(self, inputs: BaseModel | Mapping[str, Any], output_model: None = None) -> Any: ...
    def predict_sync(
        self, inputs: BaseModel | Mapping[str, Any], output_model: type[BaseModel] | None = None
    ) -> Any:
        """Post `inputs` and wait on this thread; see `predict_async`."""
        service = self.__known()
        return service.output(call_sync(service, _body(inputs)), output_model)

    @overload
    async def predict_async(
        self, inputs: BaseModel | Mapping[str, Any], output_model: type[Output]
    ) -> Output: ...
    @overload
    async def predict_async(
        self, inputs: BaseModel | Mapping[str, Any], output_model: None = None
    ) -> Any: ...
    async def predict_async(
        self, inputs: BaseModel | Mapping[str, Any], output_model: type[BaseModel] | None = None
    ) -> Any:
        """Post `inputs` as JSON and give back the answer.

        Args:
            inputs: a model, or an object by the names of the service's arguments.
            output_model: what the answer is; without one it comes as plain JSON values.

        Raises:
            TimeoutError: the last attempt took longer than `timeout_sec`.
            CallError: it cannot be reached, refuses, or answers with something else.
            Exception: what was raised there, of the same class if that is loaded here.
        """
        service = self.__known()
        return service.output(await call(service, _body(inputs)), output_model)

    async def predict_async_stream(self, inputs: BaseModel | Mapping[str, Any]) -> AsyncIterator[bytes]:
        """Post `inputs` as JSON and give back the pieces of the answer as they come.

        It is tried again only until it has begun. Raises what `predict_async` raises, there or
        between two pieces.
        """
        return await begin_stream(self.__known(), _body(inputs))

    def __known(self) -> Service:
        if self.__service is None:
            name = type(self).__name__
            msg = f"`{name}` was made without an address. Write `{name}.from_url(predict_url, context)`."
            raise ChainsRuntimeError(msg)
        return self.__service


def _body(inputs: BaseModel | Mapping[str, Any]) -> bytes:
    if isinstance(inputs, BaseModel):
        return inputs.model_dump_json().encode()
    return to_json(inputs, by_alias=False)


def _checked_address(url: str, name: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        fits = fits and "@" not in parts.netloc
    except ValueError:
        fits = False
    if not fits:
        msg = (
            f"`{name}.from_url` needs an address such as 'https://host/predict', without user or password; "
            f"the key is its second argument."
        )
        raise ChainsUsageError(msg)
    return url


def _key_from(given: DeploymentContext | str | None, name: str) -> SecretStr | None:
    if given is not None and not isinstance(given, str):
        declared = _KEY_SECRET in given.secrets
        given = given.secrets[_KEY_SECRET] if declared else None
    key = (given or "").strip()
    if not key.isascii() or not key.isprintable():
        msg = f"The key for `{name}` has characters that no header can carry. Was it copied in one line?"
        raise ChainsUsageError(msg)
    return SecretStr(key) if key else None
