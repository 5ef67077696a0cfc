"""The scripts' own promises, and the lists of packages they install."""

import re
import shutil
import subprocess
import time

import pytest

from tests.harness import ROOT

DIRECT_ENDS = "# Brought in by the packages above"


def pinned(name, *, direct=False):
    text = (ROOT / name).read_text()
    if direct:
        text = text.split(DIRECT_ENDS)[0]
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "-r"))]
    return [re.fullmatch(r"([\w.-]+)(?:\[\w+\])?==([\w.]+)(; python_version .+)?", line) for line in lines]


def bash(code, **env):
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail; . {ROOT}/scripts/lib/common.sh; {code}"],
        env={"PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-dev.txt", "requirements-node.txt", "requirements-flower.txt"]
)
def test_every_requirement_is_pinned_exactly(name):
    assert None not in pinned(name)


def test_no_requirement_is_named_twice():
    names = [
        match[1].lower().replace("_", "-")
        for file in ("", "-dev", "-flower")
        for match in pinned(f"requirements{file}.txt")
    ]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("name", "heading"), [("requirements.txt", "To run"), ("requirements-dev.txt", "To test")]
)
def test_the_page_of_dependencies_gives_each_direct_one_a_reason(name, heading):
    section = (ROOT / "docs" / "dependencies.md").read_text().split(f"## {heading}")[1].split("\n## ")[0]
    explained = dict(re.findall(r"^\| ([\w-]+) \| (.+) \|$", section, flags=re.MULTILINE))
    explained.pop("package")
    assert list(explained) == [match[1] for match in pinned(name, direct=True)]
    assert min(len(reason) for reason in explained.values()) > 10


@pytest.mark.parametrize(
    "name", ["scripts/run", "scripts/test", "scripts/check", ".ci/run", "docker/entrypoint"]
)
def test_a_script_can_be_run_and_is_sound(name):
    path = ROOT / name
    assert path.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0


def test_a_python_that_is_too_old_is_refused_in_one_line(tmp_path):
    old = tmp_path / "python-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = bash("find_python", PYTHON=str(old))
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"chainlets: PYTHON is set to .+3\.11.+\n", done.stderr)


def test_no_python_at_all_is_said_in_one_line(tmp_path):
    for tool in ("dirname", "cat"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    done = subprocess.run(
        ["/bin/bash", "-c", f". {ROOT}/scripts/lib/common.sh; find_python"],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(r"chainlets: Chainlets needs Python 3\.11 .+\n", done.stderr)


def test_set_up_that_is_done_takes_no_time():
    ready = 'ensure_venv "$ROOT/requirements.txt" "$ROOT/requirements-dev.txt"; ensure_frontend'
    assert bash(ready, PATH="/usr/local/bin:/usr/bin:/bin").returncode == 0
    start = time.monotonic()
    done = bash(ready, PATH="/usr/local/bin:/usr/bin:/bin")
    assert done.stdout + done.stderr == ""
    assert time.monotonic() - start < 1  # 0.1 s when the machine is idle
