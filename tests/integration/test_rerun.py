"""Runs again from here: with real workers, what is executed, what is kept, and of what nothing is left."""

import time

import pytest

from tests.harness import ROOT

pytestmark = pytest.mark.timeout(180)
SOURCE = (ROOT / "tests" / "chains" / "again.py").read_text()
GROUPS = [[0, 1], [2, 3]]


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "ledger"
    path.touch()
    return path


@pytest.fixture
def change(whole):
    """Changes the chain's file; put back after the test. Workers look five times a second."""

    def write(before, after):
        assert before in SOURCE
        (whole.data_dir.parent / "chains" / "again.py").write_text(SOURCE.replace(before, after))
        time.sleep(0.5)

    yield write
    write("", "")


def begin(whole, ledger, way="groups", *, gate=True, **given):
    """A run that has ended; the ledger is empty again."""
    if gate:
        ledger.with_name("ledger.gate").touch()
    if way == "groups":
        given = {"groups": GROUPS, **given}
    run = whole.wait_run(whole.start_run("again", way=way, ledger=str(ledger), **given))
    ledger.write_text("")
    return run


def again(whole, run, **given):
    """A run that repeats another, at its end."""
    answer = whole.api.post(f"/api/runs/{run['id']}/rerun", json=given)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/api/runs/{answer.json()['id']}"
    return whole.wait_run(answer.json()["id"])


def done(ledger):
    return sorted(ledger.read_text().splitlines())


def call(whole, run, chainlet, **given):
    """The only call of a chainlet with these arguments."""
    calls = whole.invocations(run["id"])
    (found,) = [one for one in calls if one["chainlet"] == chainlet and given.items() <= one["input"].items()]
    return found


def kept(whole, run):
    return [e["data"] for e in whole.events(run["id"]) if e["type"] == "invocation.kept"]


def test_a_failed_run_is_repeated_without_what_it_had_finished(whole, ledger):
    failed = begin(whole, ledger, gate=False)
    assert failed["state"] == "failed"
    before = whole.events(failed["id"])
    ledger.with_name("ledger.gate").touch()

    run = again(whole, failed)

    assert (run["state"], run["output"]) == ("succeeded", [2, 10])
    assert (run["rerun_of"], run["input"], run["title"]) == (failed["id"], failed["input"], failed["title"])
    assert done(ledger) == ["again", "last"]
    groups = [one["id"] for one in whole.invocations(failed["id"]) if one["chainlet"] == "Group"]
    sources = kept(whole, run)
    assert {source["run"] for source in sources} == {failed["id"]}
    assert sorted(source["call"] for source in sources) == sorted(groups)
    events = whole.events(run["id"])
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    calls = whole.invocations(run["id"])
    ends = [event["invocation"] for event in events if event["type"] == "invocation.succeeded"]
    assert sorted(ends) == sorted(one["id"] for one in calls)
    assert [one["attempts"] for one in calls if one["chainlet"] == "Group"] == [[], []]
    assert (whole.run(failed["id"]), whole.events(failed["id"])) == (failed, before)


def test_from_a_call_it_its_callers_and_nothing_else_run_again(whole, ledger):
    first = begin(whole, ledger)
    run = again(whole, first, **{"from": call(whole, first, "Leaf", number=3)["id"]})

    assert run["output"] == first["output"] == [2, 10]
    assert done(ledger) == ["again", "group [2, 3]", "leaf 3"]
    assert run["version"] == first["version"]

    ledger.write_text("")
    again(whole, run, **{"from": call(whole, run, "Group", numbers=[0, 1])["id"]})
    assert done(ledger) == ["again", "group [0, 1]", "leaf 0", "leaf 1"]


def test_from_the_entrypoint_nothing_is_kept(whole, ledger):
    first = begin(whole, ledger)
    run = again(whole, first, title="once more", **{"from": call(whole, first, "Again")["id"]})

    assert done(ledger) == ["again", "group [0, 1]", "group [2, 3]", "last", *(f"leaf {n}" for n in range(4))]
    assert (run["title"], kept(whole, run)) == ("once more", [])


def test_with_another_input_only_calls_that_get_another_input_are_made(whole, ledger):
    first = begin(whole, ledger)
    run = again(whole, first, input={**first["input"], "groups": [[0, 1], [2, 9]]})

    assert run["output"] == [2, 22]
    assert run["input"]["groups"] == [[0, 1], [2, 9]]
    assert done(ledger) == ["again", "group [2, 9]", "last", "leaf 2", "leaf 9"]


@pytest.mark.parametrize(
    ("before", "after", "executed", "output"),
    [
        ("factor = 2", "factor = 3", ["group", "group", "last", "leaf", "leaf", "leaf", "leaf"], [3, 15]),
        ("return sum(", "return 1 + sum(", ["group", "group", "last"], [3, 11]),
        ("return numbers\n", "return numbers[::-1]\n", ["last"], [10, 2]),
        ("await nap(seconds, ledger)", "await nap(seconds / 2, ledger)", [], [2, 10]),
    ],
)
def test_after_a_change_of_code_what_the_change_touches_runs_again(
    whole, ledger, change, before, after, executed, output
):
    first = begin(whole, ledger)
    change(before, after)

    run = again(whole, first)

    assert run["output"] == output
    assert run["version"] != first["version"]
    assert [line.split()[0] for line in done(ledger)] == ["again", *executed]


def test_files_that_were_kept_outlive_the_run_that_made_them(whole, ledger):
    first = begin(whole, ledger, "file", keep=True)
    old = first["output"][1]

    answer = whole.api.post(
        f"/api/runs/{first['id']}/rerun", json={"from": call(whole, first, "Reads")["id"]}
    )
    assert whole.api.delete(f"/api/runs/{first['id']}").status_code == 204
    run = whole.wait_run(answer.json()["id"])

    assert run["state"] == "succeeded", run["error"]
    words, new = run["output"]
    assert (words, done(ledger)) == ("some words", ["again", "reads"])
    assert new["id"] != old["id"]
    assert {**new, "id": old["id"]} == old
    assert whole.api.get(f"/api/files/{new['id']}/content").text == "some words"
    assert whole.api.get(f"/api/files/{old['id']}/content").status_code == 404
    whole.api.delete(f"/api/runs/{run['id']}")
    assert whole.api.get(f"/api/files/{new['id']}/content").status_code == 404


def test_a_call_whose_file_was_only_scratch_runs_again_and_its_reader_does_not(whole, ledger):
    first = begin(whole, ledger, "file")
    run = again(whole, first)

    assert run["output"][0] == "some words"
    assert done(ledger) == ["again", "writes some words"]
