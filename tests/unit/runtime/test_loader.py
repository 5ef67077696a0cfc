"""Chains are found in modules and in a folder, and found again when files change."""

import os

import pytest

from chainlets.errors import ChainsUsageError
from chainlets.runtime.loader import Loader

ONE = """
import chainlets as chains
class One(chains.ChainletBase):
    async def run_remote(self, n: int) -> int:
        return n + {add}
"""


def touch(path, text, stamp):
    path.write_text(text)
    os.utime(path, (stamp, stamp))


def test_modules_and_files_are_loaded_and_files_again_when_they_change(tmp_path):
    loader = Loader(modules=["chainlets.chains.hello"], folder=tmp_path)
    assert set(loader.current().chains) == {"hello"}

    touch(tmp_path / "one.py", ONE.format(add=1), 1000)
    first = loader.current()
    assert set(first.chains) == {"hello", "One"}
    assert loader.current() is first

    touch(tmp_path / "one.py", ONE.format(add=2), 2000)
    second = loader.current()
    assert second.chains["One"].digest != first.chains["One"].digest
    assert second.chains["hello"] is first.chains["hello"]

    (tmp_path / "one.py").unlink()
    assert set(loader.current().chains) == {"hello"}


def test_a_broken_file_is_a_problem_with_words_and_the_others_go_on(tmp_path):
    (tmp_path / "good.py").write_text(ONE.format(add=1))
    (tmp_path / "syntax.py").write_text("def oops(:\n")
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "raises.py").write_text("raise RuntimeError('not today')\n")
    (tmp_path / "untyped.py").write_text(
        "import chainlets as chains\nclass Untyped(chains.ChainletBase):\n    def run_remote(self, a):\n        return a\n"
    )

    loaded = Loader(modules=[], folder=tmp_path).current()

    problems = {problem.file: problem.message for problem in loaded.problems}
    assert set(loaded.chains) == {"One"}
    assert problems["syntax.py"].startswith("line 1:")
    assert "has no chainlet" in problems["empty.py"]
    assert problems["raises.py"] == "RuntimeError: not today"
    assert (
        "untyped.py:3 (Untyped.run_remote) [kind: TYPE_ERROR]: the argument `a` has no type"
        in problems["untyped.py"]
    )


def test_two_chains_of_one_name_are_told(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text(ONE.format(add=1))

    loaded = Loader(modules=[], folder=tmp_path).current()

    assert list(loaded.chains) == ["One"]
    assert "a chain called `One` is there already" in loaded.problems[0].message


def test_a_module_of_the_settings_that_is_wrong_stops_the_start():
    with pytest.raises(ChainsUsageError, match="no chainlet"):
        Loader(modules=["json"], folder=None).current()
