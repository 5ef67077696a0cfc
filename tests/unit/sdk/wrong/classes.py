"""Wrong `__init__`s, configurations and relations of chainlets."""

from tests.unit.sdk.wrong.case import Wrong

_RHYME = """
class Rhyme(chains.ChainletBase):
    async def run_remote(self) -> str:
        return ""
"""


def needs(name: str, arguments: str, *says: str, kind: str = "TYPE_ERROR") -> Wrong:
    """A chainlet `Poet` whose `__init__` is wrong; `Rhyme` is right."""
    return Wrong(
        name=name,
        source=f"""{_RHYME}
@chains.mark_entrypoint
class Poet(chains.ChainletBase):
    def __init__(self, {arguments}) -> None:  # here
        pass

    async def run_remote(self) -> str:
        return ""
""",
        where="Poet.__init__",
        kind=kind,
        says=says,
    )


def body(
    name: str, text: str, *says: str, where: str = "Poet", mark: str = "@chains.mark_entrypoint"
) -> Wrong:
    """A chainlet `Poet` whose class variables are wrong."""
    return Wrong(
        name=name,
        source=f"""{_RHYME}
{mark}
class Poet(chains.ChainletBase):  # here
    {text}

    async def run_remote(self) -> str:
        return ""
""",
        where=where,
        kind="INVALID_CONFIG_ERROR",
        says=says,
    )


CLASSES = [
    needs(
        "an argument that nobody passes",
        "lines: int",
        "the argument `lines` is neither a dependency nor the context",
        "`lines: Other = chains.depends(Other)`, or set it as a class variable",
    ),
    needs("a dependency without its marker", "rhyme: Rhyme", "Write `rhyme: Rhyme = chains.depends(Rhyme)`"),
    needs(
        "a dependency on what is no chainlet",
        "rhyme: int = chains.depends(int)",
        "`depends` takes a chainlet class, and `rhyme` gives it the class `int`",
        "def __init__(self, words: Words = chains.depends(Words))",
    ),
    needs(
        "a dependency on an object",
        "rhyme: Rhyme = chains.depends(Rhyme())",
        "`rhyme` gives it an object of the class `Rhyme`",
    ),
    needs(
        "a dependency by name",
        'rhyme: Rhyme = chains.depends("Rhyme")',
        "`rhyme` gives it `'Rhyme'`",
    ),
    needs(
        "a dependency on every chainlet",
        "rhyme: chains.ChainletBase = chains.depends(chains.ChainletBase)",
        "`rhyme` gives it the class `ChainletBase`",
    ),
    needs(
        "a dependency that is called in a way there is not",
        'rhyme: Rhyme = chains.depends(Rhyme, retries="3", timeout_sec=0)',
        "in `rhyme = chains.depends(Rhyme, …)`, `retries` is '3': Input should be a valid integer; `timeout_sec` is 0",
        "rhyme: Rhyme = chains.depends(Rhyme, retries=3, timeout_sec=60.0)",
        kind="INVALID_CONFIG_ERROR",
    ),
    needs(
        "a dependency annotated as something else",
        "rhyme: str = chains.depends(Rhyme)",
        "`rhyme` is annotated `str` and gets a `Rhyme`. Write `rhyme: Rhyme = chains.depends(Rhyme)`",
    ),
    needs(
        "a context without its marker",
        "context: chains.DeploymentContext",
        "the context `context` has no marker, so nobody passes it",
        "context: chains.DeploymentContext = chains.depends_context()",
    ),
    needs(
        "a context annotated as something else",
        "context: dict[str, str] = chains.depends_context()",
        "`context` gets the context and is annotated `dict[str, str]`",
    ),
    needs(
        "two contexts",
        "a: chains.DeploymentContext = chains.depends_context(), b: chains.DeploymentContext = chains.depends_context()",
        "the context is asked for twice",
    ),
    Wrong(
        name="an init that would have to be awaited",
        source="""
class Poet(chains.ChainletBase):
    async def __init__(self) -> None:  # here
        pass

    async def run_remote(self) -> str:
        return ""
""",
        where="Poet.__init__",
        kind="TYPE_ERROR",
        says=("`__init__` cannot be `async def`", "Do in `run_remote` what needs `await`"),
    ),
    Wrong(
        name="a dependency in the class body",
        source=f"""{_RHYME}
@chains.mark_entrypoint
class Poet(chains.ChainletBase):  # here
    rhyme = chains.depends(Rhyme)

    async def run_remote(self) -> str:
        return await self.rhyme.run_remote()
""",
        where="Poet",
        kind="TYPE_ERROR",
        says=("`rhyme = depends(Rhyme)` stands in the class body", "def __init__(self, words: Words"),
    ),
    Wrong(
        name="a dependency on a ModelBase",
        source="""
class Rhyme(chains.ModelBase):
    def predict(self) -> str:
        return ""

class Poet(chains.ChainletBase):
    def __init__(self, rhyme: Rhyme = chains.depends(Rhyme)) -> None:  # here
        pass

    async def run_remote(self) -> str:
        return ""

chains.mark_entrypoint(Poet)
del Rhyme
""",
        where="Poet.__init__",
        kind="TYPE_ERROR",
        says=(
            "`Rhyme` is a `ModelBase`, which is always an entrypoint. Derive it from `chains.ChainletBase`",
        ),
    ),
    Wrong(
        name="a ModelBase with a dependency",
        source=f"""{_RHYME}
class Poet(chains.ModelBase):
    def __init__(self, rhyme: Rhyme = chains.depends(Rhyme)) -> None:  # here
        pass

    def predict(self) -> str:
        return ""
""",
        where="Poet.__init__",
        kind="TYPE_ERROR",
        says=("a `ModelBase` is a chain of its own and calls no others",),
    ),
    Wrong(
        name="a question after its health that takes arguments",
        source="""
class Poet(chains.ChainletBase):
    def is_healthy(self, strictly: bool) -> bool:  # here
        return True

    async def run_remote(self) -> str:
        return ""
""",
        where="Poet.is_healthy",
        kind="TYPE_ERROR",
        says=("`is_healthy` takes no arguments", "async def is_healthy(self) -> bool"),
    ),
    Wrong(
        name="a question after its health that is not answered with yes or no",
        source="""
class Poet(chains.ChainletBase):
    async def is_healthy(self) -> str:  # here
        return "well"

    async def run_remote(self) -> str:
        return ""
""",
        where="Poet.is_healthy",
        kind="TYPE_ERROR",
        says=("`is_healthy` answers with a bool",),
    ),
    body(
        "a configuration of another kind",
        'remote_config = chains.Compute(memory="4Gi")',
        "`remote_config` is a Compute and must be a `chains.RemoteConfig(…)`",
        "remote_config = chains.RemoteConfig(compute=chains.Compute(",
    ),
    body(
        "a name with a space",
        'remote_config = chains.RemoteConfig(name="the poet")',
        "the name 'the poet' may have only a-z, A-Z, digits, `_` and `-`",
    ),
    body(
        "a chain's name with a slash",
        "pass",
        "the chain's name 'poems/short' may have only",
        '@chains.mark_entrypoint("my-chain")',
        mark='@chains.mark_entrypoint("poems/short")',
    ),
    body(
        "a websocket's transport without a websocket",
        "from chainlets.truss_config import WebsocketOptions\n"
        "    remote_config = chains.RemoteConfig(options=chains.ChainletOptions(transport=WebsocketOptions()))",
        "`transport` is `WebsocketOptions`, and `run_remote` takes no websocket. Leave `transport` out",
    ),
    Wrong(
        name="a websocket with another transport",
        source="""
from chainlets import truss_config

class Poet(chains.ChainletBase):  # here
    remote_config = chains.RemoteConfig(options=chains.ChainletOptions(transport=truss_config.HTTPOptions()))

    async def run_remote(self, websocket: chains.WebSocketProtocol) -> None:
        await websocket.close()
""",
        where="Poet",
        kind="INVALID_CONFIG_ERROR",
        says=("`transport` is `HTTPOptions`, and the endpoint takes a websocket. Leave `transport` out",),
    ),
    Wrong(
        name="a base that needs Baseten's cloud",
        source="""
class Poet(chains.EngineBuilderLLMChainlet):  # here
    pass
""",
        where="Poet",
        kind="TYPE_ERROR",
        says=("`EngineBuilderLLMChainlet` needs Baseten's cloud", "`chains.StubBase.from_url(url, context)`"),
    ),
    Wrong(
        name="a websocket below the entrypoint",
        source="""
class Talk(chains.ChainletBase):
    async def run_remote(self, websocket: chains.WebSocketProtocol) -> None:  # here
        await websocket.close()

@chains.mark_entrypoint
class Poet(chains.ChainletBase):
    def __init__(self, talk: Talk = chains.depends(Talk)) -> None:
        self._talk = talk

    async def run_remote(self) -> str:
        return ""
""",
        where="Talk.run_remote",
        kind="TYPE_ERROR",
        says=("only the entrypoint can take a websocket", "call this one with values"),
    ),
    Wrong(
        name="a chainlet that calls itself",
        source=f"""{_RHYME}
class Base(chains.ChainletBase):
    def __init__(self, other: Rhyme = chains.depends(Rhyme)) -> None:  # here
        pass

    async def run_remote(self) -> str:
        return ""

@chains.mark_entrypoint
class Poet(Base):
    pass

Base.__init__.__wrapped__.__defaults__[0].chainlet = Poet
Base.__init__.__wrapped__.__annotations__["other"] = Poet
""",
        where="Base.__init__",
        kind="TYPE_ERROR",
        says=("`Poet` depends on itself. Put what both need into a chainlet of its own",),
    ),
    Wrong(
        name="two chainlets with one name",
        source=f"""{_RHYME}
First = Rhyme

class Rhyme(chains.ChainletBase):  # here
    async def run_remote(self) -> str:
        return "second"

@chains.mark_entrypoint
class Poet(chains.ChainletBase):
    def __init__(self, first: First = chains.depends(First), second: Rhyme = chains.depends(Rhyme)) -> None:
        pass

    async def run_remote(self) -> str:
        return ""
""",
        where="Rhyme",
        kind="TYPE_ERROR",
        says=(
            "two chainlets of this chain are called `Rhyme`, and the other is in",
            "poems.py:4. Rename one of them",
        ),
    ),
]
