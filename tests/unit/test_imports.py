"""Imports point one way: webapp → chainlets.runtime → chainlets; chains use the public door only."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import chainlets
from tests.harness import ROOT

SDK = sorted(
    path
    for path in (ROOT / "chainlets").rglob("*.py")
    if not {"runtime", "chains"} & set(path.relative_to(ROOT).parts)
)
RUNTIME = sorted((ROOT / "chainlets" / "runtime").rglob("*.py"))
CHAINS = sorted((ROOT / "chainlets" / "chains").rglob("*.py"))
WEBAPP = sorted((ROOT / "webapp").rglob("*.py"))
#: Beside what the door itself lists, as in truss_chains; and the fakes.
PUBLIC_MODULES = {"public_types", "pydantic_numpy", "streaming", "testing", "truss_config"}
SHIPPED = sorted(path.parent.name for path in (ROOT / "chainlets" / "chains").glob("*/__init__.py"))


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, wherever in it."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(
                    [*package.split(".")[: len(package.split(".")) - node.level + 1], base]
                ).strip(".")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def offences(files: list[Path], *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imported(path)
        if any(name == bad or name.startswith(f"{bad}.") for bad in forbidden)
    ]


def test_the_sdk_knows_neither_django_nor_celery_nor_what_is_built_on_it():
    assert offences(SDK, "django", "celery", "kombu", "redis", "webapp", "chainlets.chains") == []


def test_the_sdk_reaches_the_runtime_nowhere_but_on_its_command_line_and_for_strict_local_runs():
    files = [path for path in SDK if path.name != "__main__.py"]
    strict = ["chainlets/local.py imports chainlets.runtime.inprocess.StrictRuntime"]
    assert offences(files, "chainlets.runtime") == strict
    at_the_top = ast.parse((ROOT / "chainlets" / "local.py").read_text()).body
    modules = [node.module or "" for node in at_the_top if isinstance(node, ast.ImportFrom)]
    assert not [module for module in modules if module.startswith("chainlets.runtime")]


def test_the_runtime_knows_no_django_and_no_chain():
    assert offences(RUNTIME, "django", "webapp", "chainlets.chains") == []


def test_celery_is_known_only_to_the_runtime_its_composition_root_and_the_command_that_starts_a_worker():
    may = {ROOT / "webapp" / "celery.py", ROOT / "webapp" / "fleet" / "management" / "commands" / "worker.py"}
    files = [path for path in [*SDK, *CHAINS, *WEBAPP] if path not in may]
    assert offences(files, "celery") == []


def test_nothing_imports_the_pages():
    files = [path for path in WEBAPP if "ui" not in path.relative_to(ROOT).parts]
    allowed = {"webapp/urls.py imports webapp.ui", "webapp/urls.py imports webapp.ui.urls"}
    assert [
        line for line in offences([*SDK, *RUNTIME, *CHAINS, *files], "webapp.ui") if line not in allowed
    ] == []


@pytest.mark.parametrize("chain", SHIPPED)
def test_a_chain_uses_the_public_door_and_its_own_folder_only(chain):
    own = f"chainlets.chains.{chain}"
    public = set(chainlets.__all__)
    foreign = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in CHAINS
        if chain in path.relative_to(ROOT).parts
        for name in imported(path)
        if name.split(".")[0] in {"chainlets", "webapp", "django", "celery"}
        and not (name in {"chainlets", own} or name.startswith(f"{own}."))
        and not (name.startswith("chainlets.") and name.split(".")[1] in public | PUBLIC_MODULES)
    ]
    # The excerpt reads the same files as the transcription and shares its safe decoder.
    shared = f"chainlets.chains.{'transcribe' if chain == 'excerpt' else chain}."
    assert [line for line in foreign if shared not in line] == []


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after `code`."""
    show = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


HEAVY = {"django", "celery", "kombu", "redis", "numpy", "httpx", "rest_framework", "webapp"}


def test_importing_the_sdk_loads_nothing_heavy():
    assert not HEAVY & modules_after("import chainlets")


def test_nor_does_using_any_of_its_public_names():
    assert not HEAVY & modules_after("from chainlets import *")


def test_nor_does_defining_and_running_a_chain():
    source = """
import chainlets as chains
class Leaf(chains.ChainletBase):
    def run_remote(self, number: int) -> int:
        return number + 1
class Top(chains.ChainletBase):
    def __init__(self, leaf: Leaf = chains.depends(Leaf)) -> None:
        self._leaf = leaf
    def run_remote(self) -> int:
        return self._leaf.run_remote(1)
with chains.run_local():
    assert Top().run_remote() == 2
"""
    assert not HEAVY & modules_after(source)


@pytest.mark.parametrize("chain", SHIPPED)
def test_importing_a_chain_loads_no_model_library(chain):
    heavy = {"torch", "ctranslate2", "faster_whisper", "onnxruntime", "av", "django", "celery"}
    assert not heavy & modules_after(f"import chainlets.chains.{chain}")


def door() -> ast.Module:
    return ast.parse((ROOT / "chainlets" / "__init__.py").read_text())


def imported_for_type_checkers() -> dict[str, str]:
    """The public names, and the module that each is imported from in the door."""
    (guarded,) = [
        node
        for node in door().body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    return {
        alias.asname or alias.name: (node.module or "").removeprefix("chainlets.")
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_the_door_lists_every_public_name_once_and_in_order():
    public = chainlets.__all__
    assert public == sorted(set(public))
    assert set(public) <= set(dir(chainlets))


def test_the_door_leads_people_and_type_checkers_to_the_same_places():
    assert imported_for_type_checkers() == chainlets._HOME
    assert set(chainlets._HOME) == set(chainlets.__all__)


@pytest.mark.parametrize("name", chainlets.__all__)
def test_every_public_name_is_there_and_stays_the_same(name):
    assert getattr(chainlets, name) is getattr(
        importlib.import_module(f"chainlets.{chainlets._HOME[name]}"), name
    )
    assert getattr(chainlets, name) is vars(chainlets)[name]


def test_nothing_else_is_behind_the_door():
    with pytest.raises(AttributeError, match="`chainlets` has no 'Chain'"):
        chainlets.Chain  # noqa: B018
    with pytest.raises(ImportError):
        from chainlets import no_such_name  # noqa: F401


def test_the_door_holds_names_and_the_way_to_them_only():
    kinds = {type(node).__name__ for node in door().body[1:]}
    assert kinds == {"ImportFrom", "Import", "If", "Assign", "FunctionDef"}
    functions = {node.name for node in ast.walk(door()) if isinstance(node, ast.FunctionDef)}
    assert functions == {"__getattr__", "__dir__"}
