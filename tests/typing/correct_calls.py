"""Chainlets of every kind calling each other, as mypy accepts it in strict mode."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol, assert_type

from pydantic import BaseModel

import chainlets as chains


class Line(BaseModel):
    words: list[str]
    stress: float = 0.5


class Split(chains.ChainletBase):
    """Async, with defaults, on a GPU."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(cpu_count=2, gpu="A10G", predict_concurrency="cpu_count"),
        docker_image=chains.DockerImage(
            base_image=chains.BasetenImage.PY311,
            pip_requirements=["numpy"],
            requirements_file=chains.make_abs_path_here("requirements.txt"),
        ),
        assets=chains.Assets(secret_keys=["token"]),
        options=chains.ChainletOptions(env_variables={"A": "b"}, metadata={"owner": 1}),
        name="split",
    )

    def __init__(self, context: chains.DeploymentContext = chains.depends_context()) -> None:
        self._token = context.secrets["token"]
        assert_type(self._token, str)

    async def run_remote(self, text: str, default: Line = Line(words=[])) -> Line:  # noqa: B008 (defaults may be models)
        return Line(words=text.split() or default.words)

    async def is_healthy(self) -> bool:
        return bool(self._token)


class Count(chains.ChainletBase):
    """Sync."""

    def run_remote(self, lines: list[Line], *, twice: bool = False) -> tuple[int, str | None]:
        return len(lines) * (2 if twice else 1), None


class Read(chains.ChainletBase):
    """A stream."""

    async def run_remote(self, line: Line) -> AsyncIterator[str]:
        for word in line.words:
            yield word


class Counting(Protocol):
    """What a dependency may be annotated as, so that a fake fits too."""

    def run_remote(self, lines: list[Line]) -> tuple[int, str | None]: ...


class Quicker(Split):
    """Derived from a chainlet."""

    def __init__(
        self,
        context: chains.DeploymentContext = chains.depends_context(),
        count: Count = chains.depends(Count),
    ) -> None:
        super().__init__(context)
        self._count = count

    async def run_remote(self, text: str, default: Line = Line(words=["a"])) -> Line:  # noqa: B008
        found = await super().run_remote(text, default)
        self._count.run_remote([found])
        return found


@chains.mark_entrypoint("poems")
class Poem(chains.ChainletBase):
    """Calls all of them."""

    def __init__(
        self,
        split: Split = chains.depends(Split, retries=3, timeout_sec=60, concurrency_limit=5),
        count: Counting = chains.depends(Count, use_binary=True),
        read: Read = chains.depends(Read),
        quicker: Split = chains.depends(Quicker),
    ) -> None:
        self._split = split
        self._count = count
        self._read = read
        self._quicker = quicker

    async def run_remote(self, texts: list[str]) -> int:
        first = await self._split.run_remote(texts[0])
        assert_type(first, Line)
        lines = await asyncio.gather(*(self._split.run_remote(text) for text in texts))
        assert_type(lines, list[Line])
        task = asyncio.create_task(self._quicker.run_remote("a b", default=first))
        async with asyncio.TaskGroup() as group:
            other = group.create_task(self._split.run_remote(text="c"))
        assert_type(other.result(), Line)
        number, name = self._count.run_remote([*lines, await task])
        assert_type(number, int)
        assert_type(name, str | None)
        pieces = self._read.run_remote(first)
        assert_type(pieces, AsyncIterator[str])
        async for piece in pieces:
            assert_type(piece, str)
        return number


@chains.mark_entrypoint
class Model(chains.ModelBase):
    """A chain of one."""

    def predict(self, number: int) -> int:
        return number + 1


def main() -> None:
    """What stands at the end of a file that can be run."""
    with chains.run_local(secrets={"token": "t"}, strict=True):
        poem = Poem()
        assert_type(poem, Poem)
        assert_type(asyncio.run(poem.run_remote(["a"])), int)
        assert_type(Model().predict(1), int)
    assert_type(Poem.display_name, str)
    assert_type(Poem.remote_config.compute.queue, str)


class FakeSplit:
    """Passed by hand in tests."""

    async def run_remote(self, text: str, default: Line = Line(words=[])) -> Line:  # noqa: B008
        return default


def with_fakes(split: Split, read: Read) -> Poem:
    """Every dependency may be passed, by name or in order."""
    return Poem(split, count=Count(), read=read, quicker=split)
