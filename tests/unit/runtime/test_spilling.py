"""What is too large for a row: where the line is, what the reader gets, and what is told when it cannot be had."""

from uuid import uuid4

import pytest

import chainlets as chains
from chainlets import testing
from chainlets.runtime.spilling import MEDIA_TYPE, Sizes, read, spill

SIZES = Sizes(inline=100, most=2 * 1024**2)


@pytest.mark.parametrize(("size", "large"), [(0, False), (100, False), (101, True), (2 * 1024**2, True)])
def test_a_value_goes_to_a_file_by_the_length_of_its_text(size, large):
    assert SIZES.large(b"x" * size, what="It") is large


def test_one_that_is_too_large_for_a_file_too_is_refused_with_what_to_do():
    with pytest.raises(chains.ChainsUsageError) as raised:
        SIZES.large(b"x" * (3 * 1024**2), what="The result of `Leaf`")
    assert str(raised.value) == (
        "The result of `Leaf` has 3.0 MB as JSON, and 2.0 MB are allowed. Write it to a file with "
        "`chains.File.from_path` and return a `chains.File`, or pass one."
    )
    assert not raised.value.retryable


def test_the_row_has_a_handle_and_the_file_the_text():
    with testing.MemoryFileStore() as files:
        held = spill(b'{"a": 1}', files=files, name="result of Leaf")

        assert held.spilled
        assert (held.json["name"], held.json["media_type"]) == ("result of Leaf.json", MEDIA_TYPE)
        assert read(held.json, files=files, what="It", call=uuid4()) == b'{"a": 1}'
        assert files.kept == files.scratch == []


def test_a_file_that_is_gone_is_told_by_run_and_call():
    run, call = uuid4(), uuid4()
    with testing.MemoryFileStore() as files:
        held = spill(b"1", files=files, name="x")
        files.path(held.json["id"]).unlink()
        with pytest.raises(chains.ChainsRuntimeError) as raised:
            read(held.json, files=files, what="The result of `Leaf`", call=call, run=run)
    assert str(raised.value).startswith(f"The result of `Leaf` (call {call} of run {run}) lay in a file")


LARGE = "ä\n" * 300_000


class Doubles(chains.ChainletBase):
    def run_remote(self, text: str) -> str:
        return text + text


class Swells(chains.ChainletBase):
    async def run_remote(self) -> str:
        return "x" * (65 * 1024**2)


class Looks(chains.ChainletBase):
    """Gives what looks like a handle, and takes what looks like packed bytes."""

    async def run_remote(self, packed: dict[str, str]) -> dict[str, dict[str, str]]:
        return {"$packed": packed}


@chains.mark_entrypoint
class Top(chains.ChainletBase):
    def __init__(
        self,
        doubles: Doubles = chains.depends(Doubles),
        swells: Swells = chains.depends(Swells, retries=3),
        looks: Looks = chains.depends(Looks),
    ) -> None:
        self._doubles, self._swells, self._looks = doubles, swells, looks

    async def run_remote(self, way: str, text: str) -> str | dict[str, dict[str, str]]:
        if way == "swells":
            return await self._swells.run_remote()
        if way == "looks":
            return await self._looks.run_remote({"$packed": text, "id": "x"})
        return self._doubles.run_remote(text)


@pytest.fixture
def spilled(monkeypatch):
    """The names of what was spilled, in order."""
    names = []
    put = testing.MemoryFileStore.put_bytes

    def note(self, data, *, name, media_type):
        names.append(name)
        return put(self, data, name=name, media_type=media_type)

    monkeypatch.setattr(testing.MemoryFileStore, "put_bytes", note)
    with testing.MemoryFileStore():
        yield names


async def test_a_strict_local_run_sends_large_values_through_files(spilled):
    with chains.run_local(strict=True):
        assert await Top().run_remote("doubles", LARGE) == LARGE + LARGE
    assert spilled == ["input of Doubles.json", "result of Doubles.json", "result of Top.json"]


async def test_small_values_touch_no_file_whatever_they_look_like(spilled):
    with chains.run_local(strict=True):
        assert await Top().run_remote("looks", "x") == {"$packed": {"$packed": "x", "id": "x"}}
        assert await Top().run_remote("looks", LARGE) == {"$packed": {"$packed": LARGE, "id": "x"}}
    assert spilled == ["input of Looks.json", "result of Looks.json", "result of Top.json"]


async def test_a_result_beyond_all_bounds_fails_its_call_once(spilled):
    with (
        chains.run_local(strict=True),
        pytest.raises(TypeError, match=r"The result of `Swells` has 65\.0 MB"),
    ):
        await Top().run_remote("swells", "")
    assert spilled == []
