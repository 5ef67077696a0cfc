"""The Python in docs/writing-chains.md is right as it stands there."""

import inspect
import re

import pytest

from chainlets.describe import describe
from chainlets.importing import import_file
from tests.harness import ROOT

GUIDE = (ROOT / "docs" / "writing-chains.md").read_text()


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    """All examples of the guide as one file, imported as a chain's file is."""
    path = tmp_path_factory.mktemp("guide") / "guide.py"
    path.write_text("\n\n".join(re.findall(r"^```python\n(.*?)^```", GUIDE, flags=re.DOTALL | re.MULTILINE)))
    return import_file(path)


def test_every_chainlet_in_the_guide_keeps_the_rules(guide):
    descriptions = [describe(cls).description for cls in guide.chainlets]

    assert len(descriptions) >= 10
    assert all(descriptions)


async def test_the_tests_in_the_guide_pass(guide):
    tests = [value for name, value in vars(guide.module).items() if name.startswith("test_")]

    assert len(tests) == 3
    for test in tests:
        assert inspect.iscoroutinefunction(test)
        await test()
