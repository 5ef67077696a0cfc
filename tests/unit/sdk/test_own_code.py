"""Which change of source is a change of a chainlet's code, and which is none."""

import importlib

import pytest

import chainlets as chains
from chainlets.graph import chain_from, entrypoint_of
from chainlets.importing import import_file
from chainlets.loading import chain_of

CHAIN = """\
import chainlets as chains
from helping import helped

LIMIT = 3


def shared(text: str) -> str:
    return text * LIMIT


class Leaf(chains.ChainletBase):
    def run_remote(self, text: str) -> str:
        return shared(text)


class Other(chains.ChainletBase):
    def run_remote(self, text: str) -> str:
        return text


class Middle(Other):
    def __init__(self, leaf: Leaf = chains.depends(Leaf)) -> None:
        self._leaf = leaf

    def run_remote(self, text: str) -> str:
        return self._leaf.run_remote(text)


@chains.mark_entrypoint
class Top(chains.ChainletBase):
    def __init__(self, middle: Middle = chains.depends(Middle), other: Other = chains.depends(Other)) -> None:
        self._middle, self._other = middle, other

    def run_remote(self, text: str) -> str:
        return helped(self._middle.run_remote(text) + self._other.run_remote(text))


if __name__ == "__main__":
    print(Top)
"""
HELPING = "import deeper\n\ndef helped(text):\n    return deeper.deep(text)\n"
FILES = {"chain.py": CHAIN, "helping.py": HELPING, "deeper.py": "def deep(text):\n    return text\n"}
ALL = {"Top", "Middle", "Leaf", "Other"}


def codes(folder, files):
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return chain_of(import_file(folder / "chain.py")).codes


@pytest.mark.parametrize(
    ("file", "before", "after", "changed"),
    [
        ("chain.py", "return shared(text)", "return shared(text) + '!'", {"Leaf", "Middle", "Top"}),
        ("chain.py", "return self._leaf.run_remote(text)", "return 'x'", {"Middle", "Top"}),
        ("chain.py", "        return text\n", "        return text[1:]\n", {"Other", "Middle", "Top"}),
        ("chain.py", "return helped(", "return 'x' + helped(", {"Top"}),
        ("chain.py", "@chains.mark_entrypoint\n", "@chains.mark_entrypoint('new')\n", {"Top"}),
        ("chain.py", "LIMIT = 3", "LIMIT = 4", ALL),
        ("chain.py", "    print(Top)", "    print(Top, Leaf)", set()),
        ("chain.py", "\n\n\n", "\n\n\n\n", set()),
        ("helping.py", "return deeper", "return '' + deeper", ALL),
        ("deeper.py", "return text", "return text[::-1]", ALL),
    ],
)
def test_what_changes_with_which_line(tmp_path, file, before, after, changed):
    old = codes(tmp_path / "old", FILES)
    assert before in FILES[file]
    new = codes(tmp_path / "new", {**FILES, file: FILES[file].replace(before, after)})

    assert set(old) == ALL
    assert {name for name in ALL if old[name] != new[name]} == changed


def test_a_file_that_nobody_imports_is_nothing_to_anyone(tmp_path):
    assert codes(tmp_path / "old", FILES) == codes(tmp_path / "new", {**FILES, "apart.py": "x = 1\n"})


def test_the_same_text_has_the_same_digest_wherever_it_lies(tmp_path):
    (tmp_path / "deep").mkdir()
    assert codes(tmp_path / "old", FILES) == codes(tmp_path / "deep" / "er", FILES)


def test_a_module_of_a_package_counts_what_it_imports_from_its_package_and_nothing_of_ours(
    tmp_path, monkeypatch
):
    def read(name, text):
        package = tmp_path / name / f"pack_{name}"
        (package / "parts").mkdir(parents=True)
        for path, content in {
            "__init__.py": "",
            "parts/__init__.py": "",
            "parts/words.py": text,
            "parts/unused.py": f"x = {name!r}",
            "chain.py": "import chainlets as chains\nfrom .parts import words\n\n\n"
            "class One(chains.ChainletBase):\n    def run_remote(self) -> str:\n        return words.WORD\n",
        }.items():
            (package / path).write_text(content)
        monkeypatch.syspath_prepend(tmp_path / name)
        module = importlib.import_module(f"pack_{name}.chain")
        return chain_from(entrypoint_of(module)).codes["One"]

    first, same, other = read("a", "WORD = 'a'\n"), read("b", "WORD = 'a'\n"), read("c", "WORD = 'c'\n")
    assert first == same != other


def test_every_shipped_chainlet_has_a_digest_of_its_own():
    chain = chain_from(entrypoint_of(importlib.import_module("chainlets.chains.transcribe")))
    assert all(chain.codes.values())
    assert len(set(chain.codes.values())) == len(chain.chainlets)


def test_what_was_typed_into_an_interpreter_has_none():
    made = {}
    exec(
        "class Typed(chains.ChainletBase):\n    def run_remote(self) -> int:\n        return 1\n",
        {"chains": chains, "__name__": "typed_by_hand"},
        made,
    )
    assert chain_from(made["Typed"]).codes == {"Typed": ""}
