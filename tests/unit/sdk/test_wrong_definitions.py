"""Wrong chains are refused with file, line, class, method and what to write; all faults together, each once."""

import importlib.util
import re
import subprocess
import sys
import textwrap

import pytest

import chainlets as chains
from chainlets import definitions
from chainlets.runtime.loader import Loader
from tests.harness import ROOT
from tests.unit.sdk.wrong.classes import CLASSES
from tests.unit.sdk.wrong.methods import METHODS
from tests.unit.sdk.wrong.types import TYPES

HEAD = re.compile(r"^(\S+?):(\d+) \((\S+)\) \[kind: (\w+)\]: ", re.MULTILINE)

#: Seven faults: in one class, over two, and in one that nothing leads to.
SEVERAL = """
import chainlets as chains
from typing import Any

class Leaf(chains.ChainletBase):
    remote_config = "small"
    def __init__(self, size) -> None: ...
    def is_healthy(self) -> int: ...
    def run_remote(self, a, b: Any, c: "Nowhere"): ...

@chains.mark_entrypoint("several")
class Top(chains.ChainletBase):
    def __init__(self, leaf: Leaf = chains.depends(Leaf)) -> None: ...
    def run_remote(self, a: str) -> str: ...

class Aside(chains.ChainletBase):
    pass
"""
FAULTS = [
    ("9", "Leaf.run_remote", "the annotation of the argument `c`, `Nowhere`, cannot be read"),
    ("9", "Leaf.run_remote", "the argument `a` has no type"),
    ("9", "Leaf.run_remote", "the argument `b` is annotated `Any`"),
    ("9", "Leaf.run_remote", "the type of the result is missing"),
    ("7", "Leaf.__init__", "the argument `size` is neither"),
    ("8", "Leaf.is_healthy", "`is_healthy` answers with a bool"),
    ("5", "Leaf", "`remote_config` is a str"),
    ("16", "Aside", "there is no method `run_remote`"),
]


def load(path):
    """What the system says of a file in its folder of chains."""
    (problem,) = Loader(modules=[], folder=path.parent).current().problems
    return problem.message


def imported(path):
    """A file as a module, as a script's own `import` gives it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(path):
    command, env = [sys.executable, str(path)], {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, check=False, cwd=ROOT, env=env, capture_output=True, text=True)


def check_several(message, path):
    told = [(line, where) for file, line, where, _ in HEAD.findall(message) if file == str(path)]
    assert sorted(told) == sorted((line, where) for line, where, _ in FAULTS)
    for _, _, says in FAULTS:
        assert message.count(says) == 1


@pytest.fixture
def several(tmp_path):
    path = tmp_path / "several.py"
    path.write_text(SEVERAL)
    return path


@pytest.fixture
def apart():
    """What a test defines stays out of other tests' `run_local`."""
    with definitions.apart():
        yield


@pytest.mark.parametrize("wrong", [*METHODS, *TYPES, *CLASSES], ids=lambda wrong: wrong.name)
def test_a_wrong_definition_is_told_with_its_place_and_what_to_write(wrong, tmp_path):
    path = tmp_path / "poems.py"
    path.write_text(wrong.file)

    message = load(path)

    assert HEAD.findall(message) == [(str(path), str(wrong.line), wrong.where, wrong.kind)]
    for said in wrong.says:
        assert said in message


def test_all_faults_are_told_when_a_chain_is_loaded_from_its_file(several):
    check_several(load(several), several)


def test_all_faults_are_told_when_run_local_begins_and_not_again_the_next_time(several, apart):
    module = imported(several)

    with pytest.raises(chains.ChainsUsageError) as caught, chains.run_local():
        pytest.fail(f"the block must not begin while {module} is wrong")

    check_several(str(caught.value), several)
    assert len(caught.value.faults) == len(FAULTS)
    with chains.run_local():
        pass


def test_what_is_wrong_is_told_again_when_it_is_built(several, apart):
    module = imported(several)
    with pytest.raises(chains.ChainsUsageError), chains.run_local():
        pass
    with chains.run_local(), pytest.raises(chains.ChainsUsageError, match="the argument `size`"):
        module.Top()
    with chains.run_local(strict=True), pytest.raises(chains.ChainsUsageError, match="the argument `size`"):
        module.Top()


def test_a_script_that_never_runs_its_chain_prints_all_faults_when_it_ends(several):
    done = run(several)

    assert done.returncode == 0
    assert done.stderr.startswith("These chainlets are not right yet:\n")
    check_several(done.stderr, several)


def test_a_script_that_was_told_its_faults_does_not_print_them_again(several):
    several.write_text(f"{SEVERAL}\nif __name__ == '__main__':\n    with chains.run_local():\n        pass\n")

    done = run(several)

    assert done.returncode == 1
    assert "not right yet" not in done.stderr
    check_several(done.stderr.replace("chainlets.errors.ChainsUsageError: ", ""), several)


def test_a_right_script_prints_nothing_when_it_ends(several):
    several.write_text(
        "import chainlets as chains\nclass A(chains.ChainletBase):\n    def run_remote(self) -> None: ...\n"
    )
    assert run(several).stderr == ""


def test_a_fault_that_is_inherited_is_told_once_for_the_class_that_has_it(tmp_path):
    path = tmp_path / "poems.py"
    path.write_text(
        textwrap.dedent("""
            import chainlets as chains

            class Base(chains.ChainletBase):
                remote_config = chains.RemoteConfig(name="no good")
                def __init__(self, size: int) -> None: ...
                def run_remote(self, a) -> str: ...

            class Poet(Base): ...

            @chains.mark_entrypoint
            class Singer(Base): ...
        """)
    )
    assert [(line, where) for _, line, where, _ in HEAD.findall(load(path))] == [
        ("7", "Base.run_remote"),
        ("6", "Base.__init__"),
        ("4", "Base"),
    ]


def test_a_fault_of_a_plain_class_is_told_of_the_chainlet_that_uses_it(tmp_path):
    path = tmp_path / "poems.py"
    path.write_text(
        "import chainlets as chains\n\nclass Mixed:\n    def run_remote(self, a) -> str: ...\n\n"
        "class Poet(Mixed, chains.ChainletBase): ...\n"
    )
    assert f"{path}:4 (Poet.run_remote)" in load(path)


def test_the_line_is_that_of_the_definition_and_not_of_its_decorators(tmp_path):
    path = tmp_path / "poems.py"
    path.write_text(
        textwrap.dedent("""
            import functools
            import chainlets as chains

            def quietly(method):
                @functools.wraps(method)
                async def wrapped(*args, **kwargs):
                    return await method(*args, **kwargs)
                return wrapped

            @chains.mark_entrypoint(
                "poems",
            )
            class Poet(chains.ChainletBase):
                remote_config = 3
                @quietly
                @quietly
                async def run_remote(self, a) -> str: ...
        """)
    )
    assert [line for _, line, _, _ in HEAD.findall(load(path))] == ["18", "14"]


def test_a_path_below_the_working_directory_is_told_from_there(several, monkeypatch):
    monkeypatch.chdir(several.parent)
    assert load(several).startswith("several.py:9 (Leaf.run_remote)")


def test_several_entrypoints_are_named_beside_the_other_faults(tmp_path):
    path = tmp_path / "poems.py"
    path.write_text(
        "import chainlets as chains\n"
        "class A(chains.ChainletBase): ...\n"
        "class B(chains.ChainletBase):\n    def run_remote(self) -> str: ...\n"
    )
    message = load(path)
    assert f"{path}:2 (A) [kind: MISSING_API_ERROR]" in message
    assert "several possible entrypoints: `A`, `B`. Put `@chains.mark_entrypoint` above one" in message


def test_only_a_chainlet_can_be_marked():
    with pytest.raises(chains.ChainsUsageError, match="`<class 'int'>` is no chainlet"):
        chains.mark_entrypoint(int)
    with pytest.raises(chains.ChainsUsageError, match="Mark a class derived from `ChainletBase`"):
        chains.mark_entrypoint("name")(run)
