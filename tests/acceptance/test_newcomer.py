"""The first ten minutes, as docs/writing-chains.md tells them: its commands, in their order, on a running system."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.harness import API_KEY, ROOT, plain_environment, wait_until

GUIDE = ROOT / "docs" / "writing-chains.md"
STEPS = re.findall(r"^<!-- newcomer -->\n```sh\n(.*?)^```", GUIDE.read_text(), flags=re.DOTALL | re.MULTILINE)
BEFORE = 2  # starting the system; the key, in the second terminal


@pytest.fixture
def system(make_stack, tmp_path):
    """A running system that takes its chains from a folder which the newcomer has yet to make."""
    stack = make_stack(
        CHAINS_DIR=str(tmp_path / "work" / "mychains"),
        CHAINS="chainlets.chains.hello",
        WORKER_PROCESSES="1",
    )
    (tmp_path / "work").mkdir()
    return stack.start()


@pytest.fixture
def typed(system, tmp_path):
    """Runs what a newcomer types in the second terminal; gives back what is printed."""
    bin_folder = Path(sys.executable).parent
    env = {
        **plain_environment(),
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),  # the newcomer works in the checkout
        "KEY": API_KEY,
        "NO_PROXY": "127.0.0.1",
    }

    def typed(command: str) -> str:
        command = command.replace("http://127.0.0.1:8000", system.base_url)
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=tmp_path / "work",
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return typed


def test_the_path_has_fewer_than_ten_commands():
    assert 5 <= len(STEPS) + BEFORE < 10


def test_a_newcomer_writes_a_chain_runs_it_and_calls_it_over_rest(typed, capsys):
    begun = time.monotonic()
    printed = [typed(step) for step in STEPS[:-1]]

    def newest() -> dict | None:
        runs = json.loads(typed(STEPS[-1]))["results"]
        return runs[0] if runs[0]["state"] == "succeeded" else None

    run = wait_until(newest, timeout=30, what="the newcomer's run to succeed", step=0.2)
    took = time.monotonic() - begun

    greetings = ["Good morning, Ann!", "Good morning, Bob!"]
    locally, started = (
        json.loads(printed[STEPS.index(step)]) for step in (_step(" run "), _step("/api/runs\n"))
    )
    assert locally == greetings
    assert started["id"] == run["id"]
    assert run["output"] == greetings
    assert "2 passed" in typed("python -m pytest --import-mode=prepend -p no:cacheprovider test_greetings.py")
    with capsys.disabled():
        sys.stdout.write(f"\nnewcomer: {len(STEPS)} commands took {took:.1f} s, reading and typing apart\n")


def _step(part: str) -> str:
    """The one command with this part."""
    (found,) = (step for step in STEPS if part in step)
    return found
