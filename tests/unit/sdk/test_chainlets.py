"""Chainlets: built with fakes or in run_local, described from their annotations, refused with words."""

import asyncio
from enum import Enum
from typing import Literal

import pytest
from pydantic import BaseModel, ValidationError

import chainlets as chains
from chainlets.describe import describe
from chainlets.graph import chain_from, entrypoint_of


class Colour(Enum):
    RED = "red"


class Person(BaseModel):
    name: str
    age: int | None = None


class Leaf(chains.ChainletBase):
    """Says a name twice."""

    async def run_remote(self, person: Person, times: int = 2) -> list[str]:
        return [person.name] * times


class SyncLeaf(chains.ChainletBase):
    remote_config = chains.RemoteConfig(compute=chains.Compute(gpu="H100", gpu_count=2))

    def run_remote(self, a: Colour, b: Literal["x", "y"] | None = None) -> dict[str, tuple[int, ...]]:
        return {a.value: (1, 2)}


@chains.mark_entrypoint("top")
class Top(chains.ChainletBase):
    """Asks the leaf."""

    def __init__(
        self,
        leaf: Leaf = chains.depends(Leaf, retries=3),
        other: SyncLeaf = chains.depends(SyncLeaf),
        context: chains.DeploymentContext = chains.depends_context(),
    ) -> None:
        self._leaf, self._other, self.context = leaf, other, context

    async def run_remote(self, person: Person) -> list[str]:
        self._other.run_remote(Colour.RED)
        return await self._leaf.run_remote(person)


def test_run_local_builds_and_calls_a_whole_chain():
    with chains.run_local(secrets={"unused": "x"}):
        top = Top()
    assert asyncio.run(top.run_remote(Person(name="Ann"))) == ["Ann", "Ann"]
    assert len(top.context.secrets) == 0


def test_fakes_can_be_passed_anywhere():
    class Fake:
        async def run_remote(self, person, times=2):
            return ["fake"]

    fake = Fake()
    fake_other = type("Other", (), {"run_remote": lambda *_: {}})()
    top = Top(leaf=fake, other=fake_other, context=chains.DeploymentContext())
    assert asyncio.run(top.run_remote(Person(name="Ann"))) == ["fake"]


def test_building_without_dependencies_says_what_to_do():
    with pytest.raises(chains.ChainsRuntimeError, match=r"Build it inside `with chains.run_local\(\):`"):
        Top()


def test_a_marker_used_as_the_real_thing_shows_the_right_way():
    with pytest.raises(chains.ChainsRuntimeError, match="read from the marker depends\\(Leaf\\)"):
        chains.depends(Leaf).run_remote  # noqa: B018


def test_only_declared_secrets_can_be_read_and_missing_ones_are_named():
    class Secretive(chains.ChainletBase):
        remote_config = chains.RemoteConfig(assets=chains.Assets(secret_keys=["token"]))

        def __init__(self, context: chains.DeploymentContext = chains.depends_context()) -> None:
            self.context = context

        async def run_remote(self) -> str:
            return self.context.secrets["token"]

    with chains.run_local(secrets={"token": "t", "other": "o"}):
        built = Secretive()
    assert asyncio.run(built.run_remote()) == "t"
    with pytest.raises(chains.MissingDependencyError, match="'other' is not provided"):
        built.context.secrets["other"]
    with chains.run_local(), pytest.raises(chains.MissingDependencyError, match="needs the secret 'token'"):
        Secretive()
    assert repr(built.context.secrets) == "Secrets(token=***)"


def test_a_chain_knows_its_graph_queues_and_schemas():
    chain = chain_from(Top)

    assert chain.name == "top"
    assert [(n.chainlet, n.queue) for n in chain.graph.nodes] == [
        ("Top", "cpu"),
        ("Leaf", "cpu"),
        ("SyncLeaf", "gpu.h100.2"),
    ]
    assert chain.graph.edges == [("Top", "Leaf"), ("Top", "SyncLeaf")]
    assert chain.input_schema["properties"]["person"] == {"$ref": "#/$defs/Person"}
    assert chain.output_schema == {"items": {"type": "string"}, "type": "array"}


def test_calls_travel_as_json_with_defaults_filled_in():
    endpoint = describe(Leaf).endpoint
    data = endpoint.encode_input((Person(name="Bo"),), {})

    assert data == {"person": {"name": "Bo", "age": None}, "times": 2}
    assert endpoint.decode_input(data) == {"person": Person(name="Bo"), "times": 2}
    sync = describe(SyncLeaf).endpoint
    assert sync.encode_input((), {"a": Colour.RED, "b": "x"}) == {"a": "red", "b": "x"}
    assert sync.decode_output(sync.encode_output({"q": (1, 2)}, chainlet="SyncLeaf")) == {"q": (1, 2)}


def test_arguments_that_do_not_fit_are_refused():
    endpoint = describe(Leaf).endpoint
    with pytest.raises(ValidationError):
        endpoint.encode_input((Person(name="Bo"),), {"times": "many"})
    with pytest.raises(TypeError, match="takes 2 arguments, and 3 were given"):
        endpoint.encode_input((Person(name="Bo"), 1, 2), {})
    with pytest.raises(TypeError, match="'person' twice"):
        endpoint.encode_input((Person(name="Bo"),), {"person": Person(name="Bo")})
    with pytest.raises(chains.ChainsUsageError, match=r"`Leaf.run_remote` returned a int"):
        endpoint.encode_output(3, chainlet="Leaf")


def test_all_faults_of_a_chain_are_told_together_with_file_line_and_what_to_write():
    class NoMethod(chains.ChainletBase):
        pass

    class Untyped(chains.ChainletBase):
        def __init__(self, size, other=chains.depends(int)):
            pass

        def run_remote(self, a, *rest: int):
            return a

    class Bad(chains.ChainletBase):
        def __init__(
            self, a: NoMethod = chains.depends(NoMethod), b: Untyped = chains.depends(Untyped)
        ) -> None:
            pass

        async def run_remote(self) -> None: ...

    with pytest.raises(chains.ChainsUsageError) as caught:
        chain_from(Bad)

    text = str(caught.value)
    for expected in (
        "(NoMethod) [kind: MISSING_API_ERROR]: there is no method `run_remote`",
        "(Untyped.run_remote) [kind: TYPE_ERROR]: the argument `a` has no type",
        "`*rest` cannot be sent",
        "the type of the result is missing",
        "(Untyped.__init__) [kind: TYPE_ERROR]: the argument `size` is neither a dependency nor the context",
        "`depends` takes a chainlet class",
    ):
        assert expected in text
    assert "test_chainlets.py:" in text


def test_configuration_is_checked_where_it_is_written():
    with pytest.raises(ValueError, match="unknown GPU type 'a10g'"):
        chains.Compute(gpu="a10g")
    with pytest.raises(ValidationError, match="extra"):
        chains.RemoteConfig(memory="2Gi")
    with pytest.raises(ValidationError):
        chains.RPCOptions(retries="3")
    assert chains.Compute(gpu="A10G").queue == "gpu.a10g"
    assert chains.Compute(gpu="any").queue == "gpu.any"
    assert chains.Compute(gpu_count=4).queue == "cpu"


def test_the_entrypoint_is_the_marked_one_or_the_only_one():
    module = type(chains)("some_chain")
    with pytest.raises(chains.ChainsUsageError, match="has no chainlet"):
        entrypoint_of(module)
    module.Leaf = Leaf
    assert entrypoint_of(module) is Leaf
    module.SyncLeaf = SyncLeaf
    with pytest.raises(chains.ChainsUsageError, match="`Leaf`, `SyncLeaf`"):
        entrypoint_of(module)
    module.Top = Top
    assert entrypoint_of(module) is Top
    with pytest.raises(chains.ChainsUsageError, match="no chainlet"):
        chains.mark_entrypoint(int)


def test_the_mark_of_an_entrypoint_is_not_inherited():
    class Derived(Top):
        pass

    assert Derived.entrypoint_of is None
    assert [d.chainlet for d in describe(Derived).dependencies] == [Leaf, SyncLeaf]
