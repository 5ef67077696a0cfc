"""A chain's file is imported with its neighbours, and sees its own ones only."""

import asyncio
import sys
import textwrap

import pytest

import chainlets as chains
from chainlets.graph import chain_from, entrypoint_of
from chainlets.importing import import_file
from chainlets.loading import chain_of
from chainlets.runtime.loader import Loader

ASKING = """
    import chainlets as chains
    import helpers

    class Asking(chains.ChainletBase):
        async def run_remote(self) -> list[str]:
            import late
            from late import name as again
            return [helpers.name, late.name, again]
"""


def write(folder, sources=(), /, **more):
    """Write `name.py` for each name; names with a slash lie in folders."""
    for name, source in {**dict(sources), **more}.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
    return folder


def answer(path, *, strict=False):
    """What the chain of a file says."""
    entrypoint = chain_of(import_file(path)).entrypoint.cls
    with chains.run_local(strict=strict):
        return asyncio.run(entrypoint().run_remote())


def test_two_chains_have_a_neighbour_of_the_same_name_and_each_sees_its_own(tmp_path):
    for name in ("red", "blue"):
        said = f"name = '{name}'"
        write(tmp_path / name, chain=ASKING, helpers=said, late=said)
    red, blue = (import_file(tmp_path / name / "chain.py") for name in ("red", "blue"))
    first, second = entrypoint_of(red.module), entrypoint_of(blue.module)

    with chains.run_local():
        assert asyncio.run(first().run_remote()) == ["red", "red", "red"]
        assert asyncio.run(second().run_remote()) == ["blue", "blue", "blue"]
        assert asyncio.run(first().run_remote()) == ["red", "red", "red"]
    assert not {"helpers", "late"} & set(sys.modules)


def test_packages_beside_the_file_are_imported_in_every_way_python_knows(tmp_path):
    write(
        tmp_path,
        {
            "package/__init__": "from .inner import value as starred\n__all__ = ['starred']",
            "package/inner/__init__": "from package.inner.deep import value as below\nvalue = below + 1",
            "package/inner/deep": "import package\nvalue = 1",
            "plain/only": "value = 7",
        },
        chain="""
            import chainlets as chains
            import package.inner.deep
            import package.inner as short
            from package import *
            from package.inner import deep as renamed, value
            import plain.only

            class Chain(chains.ChainletBase):
                async def run_remote(self) -> list[int]:
                    return [package.inner.deep.value, short.value, starred, renamed.value, value, plain.only.value]
        """,
    )
    assert answer(tmp_path / "chain.py") == [1, 2, 2, 1, 2, 7]


def test_the_folder_is_first_on_the_path_during_the_import_and_not_afterwards(tmp_path):
    write(
        tmp_path,
        chain="""
            import importlib, sys
            import chainlets as chains

            first = sys.path[0]
            found = importlib.import_module("helpers")

            class Chain(chains.ChainletBase):
                async def run_remote(self) -> str:
                    return first + found.name
        """,
        helpers="name = '!'",
    )
    assert answer(tmp_path / "chain.py") == f"{tmp_path}!"
    assert str(tmp_path) not in sys.path
    assert "helpers" not in sys.modules


def test_a_file_called_like_a_module_of_python_takes_nobodys_place(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    write(
        tmp_path,
        chain="""
            import importlib
            import chainlets as chains
            import email, this_is_late

            class Chain(chains.ChainletBase):
                async def run_remote(self) -> list[bool]:
                    return ["chain" in module.__file__ for module in (email, this_is_late.wave)]
        """,
        email="name = 'chain'",
        wave="name = 'chain'",
        this_is_late="import importlib\nwave = importlib.import_module('wave')",
    )
    assert answer(tmp_path / "chain.py") == [False, False]


def test_classes_of_a_neighbour_cross_calls_whole(tmp_path):
    write(
        tmp_path,
        chain="""
            import chainlets as chains
            from helpers import Dish, Empty

            class Kitchen(chains.ChainletBase):
                async def run_remote(self, dish: Dish) -> Dish:
                    if dish.guests:
                        return dish
                    raise Empty("nobody eats here")

            @chains.mark_entrypoint
            class House(chains.ChainletBase):
                def __init__(self, kitchen: Kitchen = chains.depends(Kitchen)) -> None:
                    self._kitchen = kitchen

                async def run_remote(self) -> list[str]:
                    dish = await self._kitchen.run_remote(Dish(guests=2))
                    try:
                        await self._kitchen.run_remote(Dish(guests=0))
                    except Empty as error:
                        return [type(dish).__name__, str(error)]
                    return []
        """,
        helpers="""
            import dataclasses

            @dataclasses.dataclass
            class Dish:
                guests: int

            class Empty(Exception): ...
        """,
    )
    assert answer(tmp_path / "chain.py", strict=True) == ["Dish", "nobody eats here"]


def test_a_file_is_imported_again_when_it_or_a_neighbour_has_changed_and_only_then(tmp_path):
    write(tmp_path, chain=ASKING, helpers="name = 'a'", late="name = 'a'")
    first = import_file(tmp_path / "chain.py")
    assert import_file(tmp_path / "chain.py") is first

    write(tmp_path, late="name = 'b'")
    second = import_file(tmp_path / "chain.py")

    assert second.digest != first.digest
    assert answer(tmp_path / "chain.py") == ["a", "b", "b"]
    with chains.run_local():
        # What began before the change goes on with what it has, and imports what is there now.
        assert asyncio.run(entrypoint_of(first.module)().run_remote())[0] == "a"
    assert not list(tmp_path.rglob("*.pyc"))


def test_a_module_that_is_not_there_is_named_as_the_author_wrote_it(tmp_path):
    write(tmp_path, {"helpers/__init__": ""}, chain="import helpers.missing")
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'helpers\.missing'$"):
        import_file(tmp_path / "chain.py")


def test_a_file_that_failed_is_tried_again(tmp_path):
    write(tmp_path, chain=ASKING, helpers="from late import name", late="import nowhere_to_be_found")
    with pytest.raises(ModuleNotFoundError):
        import_file(tmp_path / "chain.py")
    (tmp_path / "nowhere_to_be_found.py").write_text("")
    write(tmp_path, late="import nowhere_to_be_found\nname = 'x'")
    assert answer(tmp_path / "chain.py") == ["x", "x", "x"]


def test_copies_of_a_chain_in_two_folders_keep_their_own_files(tmp_path):
    source = """
        import chainlets as chains

        class Chain(chains.ChainletBase):
            async def run_remote(self) -> str:
                return chains.make_abs_path_here("x").abs_path
    """
    for name in ("a", "b"):
        write(tmp_path / name, chain=source, x="")
        (tmp_path / name / "x").touch()
    assert answer(tmp_path / "a" / "chain.py") == str(tmp_path / "a" / "x")
    assert answer(tmp_path / "b" / "chain.py") == str(tmp_path / "b" / "x")


def test_faults_of_all_chainlets_of_a_file_are_told_together(tmp_path):
    write(
        tmp_path,
        chain="""
            import chainlets as chains
            from helpers import Beside

            class Unreached(chains.ChainletBase):
                pass

            @chains.mark_entrypoint
            class Chain(chains.ChainletBase):
                async def run_remote(self, text) -> str:
                    return text
        """,
        helpers="""
            import chainlets as chains

            class Beside(chains.ChainletBase):
                async def run_remote(self): ...
        """,
    )
    with pytest.raises(chains.ChainsUsageError) as caught:
        chain_of(import_file(tmp_path / "chain.py"))

    assert [(fault.chainlet, fault.line) for fault in caught.value.faults] == [
        ("Beside", 5),
        ("Unreached", 5),
        ("Chain", 10),
    ]


def test_faults_of_a_file_do_not_surprise_the_next_run_local(tmp_path):
    write(tmp_path, chain="import chainlets as chains\nclass Chain(chains.ChainletBase): ...")
    import_file(tmp_path / "chain.py")
    with chains.run_local():
        pass


def test_a_folder_of_chains_may_hold_their_neighbours_and_tests_too(tmp_path):
    write(tmp_path, chain=ASKING, helpers="name = 'a'", late="name = 'a'", test_chain="raise RuntimeError")
    loader = Loader(modules=[], folder=tmp_path)
    loaded = loader.current()
    assert list(loaded.chains) == ["Asking"]
    assert loaded.problems == ()

    write(tmp_path, late="name = 'longer'")
    changed = loader.current().chains["Asking"]

    assert changed.digest != loaded.chains["Asking"].digest
    assert chain_from(changed.entrypoint.cls).digest != changed.digest
