"""Type checkers follow calls through `depends`: right chains are accepted in strict mode, wrong ones are not."""

import importlib.util
import re
import subprocess
import sys

import pytest

from chainlets import definitions
from chainlets.describe import inspect_class
from tests.harness import ROOT

FOLDER = ROOT / "tests" / "typing"
FILES = sorted(path for path in FOLDER.glob("*.py") if path.name.startswith(("correct_", "wrong_")))
ERROR = re.compile(r"^(\S+?):(\d+): error: .*  \[([a-z-]+)\]$", re.MULTILINE)
EXPECTED = re.compile(r"# E: (.+)$")


@pytest.fixture(scope="module")
def found():
    """What mypy finds: lines with the codes of their errors, by the name of the file."""
    command = [sys.executable, "-m", "mypy", "--config-file", str(FOLDER / "mypy.ini")]
    command += ["--cache-dir", str(ROOT / ".mypy_cache" / "typing"), "--no-error-summary"]
    done = subprocess.run([*command, *map(str, FILES)], check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""
    by_file = {path.name: {} for path in FILES}
    for file, line, code in ERROR.findall(done.stdout):
        by_file[file.removeprefix("tests/typing/")].setdefault(int(line), set()).add(code)
    return by_file


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_mypy_finds_what_the_file_says_and_nothing_else(path, found):
    lines = enumerate(path.read_text().splitlines(), 1)
    expected = {number: set(says[1].split()) for number, line in lines if (says := EXPECTED.search(line))}
    assert found[path.name] == expected


@pytest.mark.parametrize("path", FILES[:2], ids=lambda path: path.stem)
def test_what_mypy_accepts_is_right_for_run_local_too(path):
    with definitions.apart():
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert [fault for cls in definitions.take() for fault in inspect_class(cls)[1]] == []


def test_the_package_says_that_it_has_types():
    assert (ROOT / "chainlets" / "py.typed").is_file()
