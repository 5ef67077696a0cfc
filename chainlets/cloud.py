"""Names of truss_chains that belong to Baseten's cloud: accepted where that makes sense, else refused in words."""

from __future__ import annotations

from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict

from chainlets.errors import ChainsDeploymentError


class EngineBuilderLLMInput(BaseModel):
    """The body that OpenAI-compatible chat servers take; more fields are passed on as they are.

    Attributes:
        messages: the conversation so far, each {"role": …, "content": …}.
        max_tokens: how long the answer may be.
    """

    model_config = ConfigDict(extra="allow")

    messages: list[dict[str, Any]]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: list[str] | str | None = None
    stream: bool | None = None


class TrussHandle:
    """Stands for a name of truss_chains that needs Baseten's cloud; nothing can be made of it here."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise ChainsDeploymentError(
            "`TrussHandle` names a model on Baseten's cloud. Call it with `chains.StubBase.from_url(url, context)`."
        )


def push(entrypoint: object = None, *_: Any, **__: Any) -> NoReturn:
    """Refuse: nothing is pushed anywhere, chains are found where they lie.

    Raises:
        ChainsDeploymentError: always, saying what to do instead.
    """
    name = getattr(entrypoint, "__name__", "the chain")
    msg = (
        f"`push` puts chains on Baseten's cloud; here `{name}` needs no pushing. Put its file into the folder that "
        f"CHAINS_DIR names, or add its module to CHAINS, and it is served. See docs/writing-chains.md."
    )
    raise ChainsDeploymentError(msg)
