"""The cache across runs, with real workers: a result serves the next run, and only where it may."""

import pytest

from tests.integration.test_rerun import again, begin, call, change, done, kept, ledger

pytestmark = pytest.mark.timeout(180)
__all__ = ["change", "ledger"]  # fixtures


def test_the_next_run_gets_the_result_without_a_worker_and_says_from_where(whole, ledger):
    first = begin(whole, ledger, "cached")
    second = begin_again(whole, ledger)

    assert first["output"] == second["output"] == [2, 3]
    assert done(ledger) == ["again"]
    calls = [one for one in whole.invocations(second["id"]) if one["chainlet"] == "Cached"]
    assert [(one["state"], one["output"], one["attempts"]) for one in calls] == [
        ("succeeded", 2, []),
        ("succeeded", 3, []),
    ]
    source = call(whole, first, "Cached", number=1)["id"]
    assert kept(whole, second)[0] == {"run": first["id"], "call": source}
    types = [e["type"] for e in whole.events(second["id"]) if e["invocation"] == calls[0]["id"]]
    assert types == ["invocation.queued", "invocation.kept", "invocation.succeeded"]


def begin_again(whole, ledger):
    return whole.wait_run(whole.start_run("again", way="cached", ledger=str(ledger)))


def test_other_code_is_another_result(whole, ledger, change):
    begin(whole, ledger, "cached")
    change("return number + 1", "return number + 10")

    assert begin_again(whole, ledger)["output"] == [11, 12]
    assert done(ledger) == ["again", "cached 1", "cached 2"]


def test_a_deleted_run_serves_nobody(whole, ledger):
    first = begin(whole, ledger, "cached")
    whole.api.delete(f"/api/runs/{first['id']}")
    begin_again(whole, ledger)

    assert done(ledger) == ["again", "cached 1", "cached 2"]


def test_who_runs_something_again_gets_it_run(whole, ledger):
    begin(whole, ledger, "cached")
    second = begin_again(whole, ledger)
    ledger.write_text("")
    again(whole, second, **{"from": call(whole, second, "Cached", number=2)["id"]})

    assert done(ledger) == ["again", "cached 2"]
