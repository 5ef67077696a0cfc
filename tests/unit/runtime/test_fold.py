"""The Python fold gives the answers that the page's fold gives."""

import json

import pytest

from tests.harness import ROOT
from webapp.runs.fold import empty, fold

CASES = json.loads((ROOT / "tests" / "data" / "fold_cases.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_events_fold_to_the_view(case):
    assert fold(empty(), case["events"]) == case["view"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_events_fold_to_the_same_view_one_by_one(case):
    view = empty()
    for event in case["events"]:
        view = fold(view, [event])
    assert view == case["view"]
