"""Processes die where they are told to, once; and every point is on the list and in the code."""

import re
import subprocess
import sys

from chainlets.runtime import crash_points
from chainlets.runtime.crash_points import EXIT_CODE, POINTS
from tests.harness import ROOT, plain_environment

PASS_BY = """
from chainlets.runtime.crash_points import crash_point
for _ in range(3):
    crash_point("claim.before")
    print("passed", flush=True)
"""


def pass_by(folder, *words, **env):
    done = subprocess.run(
        [sys.executable, "-c", PASS_BY, *words],
        env={**plain_environment(), "CRASH_POINTS": str(folder), **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.count("passed")


def test_an_armed_point_kills_the_first_that_comes_by_and_nobody_after_it(tmp_path):
    (tmp_path / "claim.before").write_text("{}")

    assert pass_by(tmp_path) == (EXIT_CODE, 0)
    assert pass_by(tmp_path) == (0, 3)


def test_it_may_be_meant_for_one_process_and_for_a_later_visit(tmp_path):
    armed = tmp_path / "claim.before"
    armed.write_text('{"process": "cpu", "visit": 2}')

    assert pass_by(tmp_path, "model-1") == (0, 3)
    assert armed.exists()
    assert pass_by(tmp_path, "cpu") == (EXIT_CODE, 1)


def test_nothing_happens_where_nobody_asked_for_it(tmp_path):
    (tmp_path / "claim.before").write_text("{}")
    assert pass_by("") == (0, 3)


def test_every_point_of_the_list_is_in_the_code_once_and_no_other():
    files = [*(ROOT / "chainlets").rglob("*.py"), *(ROOT / "webapp").rglob("*.py")]
    named = [name for file in files for name in re.findall(r'\bcrash_point\("([^"]+)"\)', file.read_text())]

    assert sorted(named) == sorted(POINTS)
    assert crash_points._folder == ""
