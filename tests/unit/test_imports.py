"""Imports point one way: webapp → chainlets.runtime → chainlets; chains use the public door only."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT

SDK = sorted(
    path
    for path in (ROOT / "chainlets").rglob("*.py")
    if not {"runtime", "chains"} & set(path.relative_to(ROOT).parts)
)
RUNTIME = sorted((ROOT / "chainlets" / "runtime").rglob("*.py"))
CHAINS = sorted((ROOT / "chainlets" / "chains").rglob("*.py"))
WEBAPP = sorted((ROOT / "webapp").rglob("*.py"))
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


def test_the_sdk_reaches_the_runtime_nowhere_but_on_its_command_line():
    assert offences([path for path in SDK if path.name != "__main__.py"], "chainlets.runtime") == []


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
    public = set(importlib.import_module("chainlets").__all__)
    foreign = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in CHAINS
        if chain in path.relative_to(ROOT).parts
        for name in imported(path)
        if name.split(".")[0] in {"chainlets", "webapp", "django", "celery"}
        and not (name in {"chainlets", own} or name.startswith(f"{own}."))
        and not (name.startswith("chainlets.") and name.removeprefix("chainlets.") in public | {"testing"})
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


def test_importing_the_sdk_loads_nothing_heavy():
    heavy = {"django", "celery", "kombu", "redis", "numpy", "httpx", "rest_framework", "webapp"}
    assert not heavy & modules_after("import chainlets")


@pytest.mark.parametrize("chain", SHIPPED)
def test_importing_a_chain_loads_no_model_library(chain):
    heavy = {"torch", "ctranslate2", "faster_whisper", "onnxruntime", "av", "django", "celery"}
    assert not heavy & modules_after(f"import chainlets.chains.{chain}")


def test_the_door_lists_every_public_name_once_and_in_order():
    door = importlib.import_module("chainlets")
    tree = ast.parse((ROOT / "chainlets" / "__init__.py").read_text())
    brought_in = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert door.__all__ == sorted(set(door.__all__))
    assert set(door.__all__) == {name for name in brought_in if not name.startswith("_")}


def test_the_door_is_imports_and_all_only():
    tree = ast.parse((ROOT / "chainlets" / "__init__.py").read_text())
    assert {type(node).__name__ for node in tree.body[1:]} <= {"ImportFrom", "Import", "Assign"}
