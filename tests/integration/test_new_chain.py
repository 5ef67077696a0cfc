"""What `init` writes holds under mypy's strictest rules."""

import subprocess
import sys

import pytest

from chainlets.commands.command_line import main
from tests.harness import ROOT


@pytest.mark.slow
def test_a_new_chain_and_its_test_are_fully_typed(tmp_path):
    for name in ("greeter", "word_count"):
        assert main(["init", name, "--folder", str(tmp_path)]) == 0

    cache = ROOT / ".mypy_cache" / "new_chain"
    command = (
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={cache}",
        str(tmp_path),
    )
    checked = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)

    assert checked.stdout.startswith("Success: no issues found in 4 source files"), checked.stdout
