"""Paths relative to a source file: found from anywhere, and missed only by those who need them."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chainlets.errors import MissingDependencyError
from chainlets.paths import make_abs_path_here
from tests.harness import ROOT


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_path_starts_at_the_file_that_names_it_and_is_checked_when_read(tmp_path, monkeypatch):
    chain = tmp_path / "chains" / "some_chain.py"
    chain.parent.mkdir()
    chain.write_text(
        "from chainlets.paths import make_abs_path_here\nDATA = make_abs_path_here('../data.txt')\n"
    )
    monkeypatch.chdir("/")
    data = load(chain).DATA

    with pytest.raises(MissingDependencyError, match=r"nothing at `.*data.txt`.*some_chain.py names it as"):
        data.abs_path  # noqa: B018
    (tmp_path / "data.txt").write_text("here")
    assert data.abs_path == str((tmp_path / "data.txt").resolve())
    assert Path(data).read_text() == "here"
    assert data == make_abs_path_here(data.abs_path)
    assert os.fspath(data) == str(data)


def test_a_path_named_outside_any_file_says_what_to_write():
    code = "from chainlets.paths import make_abs_path_here as m; m('data')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Write an absolute `pathlib.Path` instead." in done.stderr


def test_equal_paths_are_equal_and_shown_in_full():
    here = Path(__file__).parent
    assert make_abs_path_here("a") == make_abs_path_here(here / "a")
    assert len({make_abs_path_here("a"), make_abs_path_here("./a"), make_abs_path_here("b")}) == 2
    assert repr(make_abs_path_here("a")) == f"AbsPath({str(here.resolve() / 'a')!r})"
