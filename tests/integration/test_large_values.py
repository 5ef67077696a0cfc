"""Values of megabytes with real workers: they travel in files, and everybody who reads them gets them whole."""

import sqlite3
import time
from pathlib import Path

import psycopg
import pytest

from tests.chains.large import parts_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]
SIZE = 5_000_000
TOO_MUCH = "Its values are too much for this page. Ask for fewer at a time with `limit`."
ROW = 2_000  # bytes that a row's value may have


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "ledger"
    path.touch()
    return path


def begin(whole, ledger, way="parts", *, gate=True, **given):
    """A run that has ended; the ledger is empty again."""
    if gate:
        ledger.with_name("ledger.gate").touch()
    return whole.wait_run(whole.start_run("large", way=way, ledger=str(ledger), **given))


def one_by_one(whole, run):
    """Its invocations, each on a page of its own."""
    found, address = [], f"/api/runs/{run['id']}/invocations?limit=1"
    while address:
        page = whole.api.get(address).json()
        found += page["results"]
        address = page["next"]
    return found


def done(ledger):
    lines = sorted(ledger.read_text().splitlines())
    ledger.write_text("")
    return lines


def ask(whole, question):
    """The rows that a query gives."""
    if url := whole.env.get("DATABASE_URL"):
        with psycopg.connect(url) as database:
            return database.execute(question).fetchall()
    database = sqlite3.connect(whole.data_dir / "db.sqlite3")
    try:
        return database.execute(question).fetchall()
    finally:
        database.close()


def files_of(whole, run):
    """The folders in the file store that hold what this run's rows name: by name for people."""
    id = run["id"] if whole.env.get("DATABASE_URL") else run["id"].replace("-", "")
    rows = ask(whole, f"SELECT id, name FROM files_file WHERE run_id = '{id}'")
    found = {}
    for file_id, name in rows:
        text = str(file_id)
        text = text if "-" in text else "-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])
        found.setdefault(name, []).append(whole.data_dir / "files" / text[:2] / text)
    return found


def longest_row(whole):
    (longest,) = ask(
        whole,
        "SELECT max(length(CAST(input AS text)) + coalesce(length(CAST(result AS text)), 0)) FROM runs_invocation",
    )[0]
    (output,) = ask(whole, "SELECT max(length(CAST(output AS text))) FROM runs_run")[0]
    return max(longest, output)


def test_a_fan_out_of_large_values_comes_back_whole_and_no_row_has_them(whole, ledger):
    run = begin(whole, ledger, count=4, size=SIZE)

    assert run["state"] == "succeeded", run["error"]
    right = [parts_of(n, SIZE) for n in range(4)]
    assert run["output"] == right
    assert run["missing"] is None
    assert longest_row(whole) < ROW
    calls = one_by_one(whole, run)
    made = [one["output"] for one in calls if one["chainlet"] == "Make"]
    assert sorted(made, key=lambda parts: parts["z"][3]) == right
    measured = [one for one in calls if one["chainlet"] == "Measure"]
    assert sorted(one["input"]["parts"]["z"][3] for one in measured) == list("0123")
    # Four times five megabytes and three fill a page; one row by itself is always whole.
    page = whole.api.get(f"/api/runs/{run['id']}/invocations").json()["results"]
    hidden = [one for one in page if one["missing"] is not None]
    assert {one["missing"] for one in hidden} == {TOO_MUCH}
    assert {(one["input"], one["output"]) for one in hidden} == {(None, None)}
    files = files_of(whole, run)
    assert {name: len(found) for name, found in files.items()} == {
        "result of Make.json": 4,
        "input of Measure.json": 4,
        "result of Measure.json": 4,
        "result of Large.json": 1,
    }

    assert whole.api.delete(f"/api/runs/{run['id']}").status_code == 204
    assert [path for found in files.values() for path in found if path.exists()] == []


def test_a_resumed_run_reads_what_was_finished(whole, ledger):
    failed = begin(whole, ledger, gate=False, count=2, size=SIZE)
    assert failed["state"] == "failed"
    assert done(ledger) == ["large", "last", "make 0", "make 1", "measure 0", "measure 1"]
    before = files_of(whole, failed)

    ledger.with_name("ledger.gate").touch()
    whole.api.post(f"/api/runs/{failed['id']}/resume", json={})
    run = whole.wait_run(failed["id"])

    assert run["output"] == [parts_of(n, SIZE) for n in range(2)]
    assert done(ledger) == ["large", "last"]
    after = files_of(whole, run)
    assert {name: found for name, found in after.items() if name in before} == before
    # The second attempt made the same calls, and wrote none of their inputs once more.
    on_disk = {path.parent for path in (whole.data_dir / "files").glob("??/*/content")}
    inputs = [path for path in on_disk if (path / "content").read_bytes()[:10] == b'{"parts":{']
    assert sorted(inputs) == sorted(known_inputs(whole))
    whole.api.delete(f"/api/runs/{failed['id']}")


def known_inputs(whole):
    found = []
    for (text,) in ask(whole, "SELECT DISTINCT run_id FROM files_file WHERE name = 'input of Measure.json'"):
        found += files_of(whole, {"id": str(text)})["input of Measure.json"]
    return found


def test_a_rerun_has_files_of_its_own(whole, ledger):
    first = begin(whole, ledger, count=2, size=SIZE)
    done(ledger)
    (start,) = [one["id"] for one in whole.invocations(first["id"]) if one["chainlet"] == "Last"]

    answer = whole.api.post(f"/api/runs/{first['id']}/rerun", json={"from": start})
    assert whole.api.delete(f"/api/runs/{first['id']}").status_code == 204
    run = whole.wait_run(answer.json()["id"])

    assert run["output"] == [parts_of(n, SIZE) for n in range(2)]
    assert done(ledger) == ["large", "last"]
    made = [one for one in whole.invocations(run["id"]) if one["chainlet"] == "Make"]
    assert [one["attempts"] for one in made] == [[], []]
    assert sorted((one["output"] for one in made), key=lambda parts: parts["z"][3]) == run["output"]
    whole.api.delete(f"/api/runs/{run['id']}")


def test_the_cache_serves_a_large_result_and_the_file_that_it_names(whole, ledger):
    first = begin(whole, ledger, "kept", size=SIZE)
    second = begin(whole, ledger, "kept", size=SIZE)

    assert done(ledger) == ["kept", "large", "large"]
    text, file = second["output"]
    assert text == "k" * SIZE
    assert file["id"] != first["output"][1]["id"]
    assert {**file, "id": first["output"][1]["id"]} == first["output"][1]
    whole.api.delete(f"/api/runs/{first['id']}")
    assert whole.run(second["id"])["output"] == second["output"]
    assert whole.api.get(f"/api/files/{file['id']}/content").text == "some words"
    files = files_of(whole, second)
    whole.api.delete(f"/api/runs/{second['id']}")
    assert [path for found in files.values() for path in found if path.exists()] == []


def test_what_a_file_holds_that_is_gone_is_named_with_its_run_and_call(whole, ledger):
    failed = begin(whole, ledger, gate=False, count=1, size=SIZE)
    (made,) = [one for one in whole.invocations(failed["id"]) if one["chainlet"] == "Make"]
    (folder,) = files_of(whole, failed)["result of Make.json"]
    (folder / "content").unlink()

    said = f"The result of `Make` (call {made['id']} of run {failed['id']}) lay in a file, and the file is gone. Run it again."
    (made,) = [one for one in whole.invocations(failed["id"]) if one["chainlet"] == "Make"]
    assert (made["state"], made["output"], made["missing"]) == ("succeeded", None, said)
    ledger.with_name("ledger.gate").touch()
    done(ledger)
    whole.api.post(f"/api/runs/{failed['id']}/resume", json={})
    resumed = whole.wait_run(failed["id"])
    assert (resumed["state"], resumed["error"]["message"]) == ("failed", said)

    done(ledger)
    run = whole.wait_run(whole.api.post(f"/api/runs/{failed['id']}/rerun", json={}).json()["id"])
    assert run["output"] == [parts_of(0, SIZE)]
    assert done(ledger) == ["large", "last", "make 0"]


def test_a_large_input_of_a_run_and_a_large_stream(whole, ledger):
    text = "t" * 1_000_000
    run = begin(whole, ledger, "text", text=text)
    assert run["output"] == [text]
    (root,) = whole.invocations(run["id"])
    assert root["input"]["text"] == run["input"]["text"] == text
    assert set(files_of(whole, run)) == {"input of Large.json", "result of Large.json"}

    run = begin(whole, ledger, "stream", size=400_000)
    assert run["output"] == [letter * 400_000 for letter in "abc"]
    assert set(files_of(whole, run)) == {"result of Pieces.json", "result of Large.json"}


def test_a_worker_that_dies_between_the_file_and_the_row_costs_an_attempt_and_no_more(whole, ledger):
    run = begin(whole, ledger, "dies", size=SIZE)

    assert (run["state"], run["output"]) == ("succeeded", ["d" * SIZE])
    assert done(ledger).count("dies") == 2
    (call,) = [one for one in whole.invocations(run["id"]) if one["chainlet"] == "Dies"]
    assert [one["state"] for one in call["attempts"]] == ["lost", "succeeded"]
    assert len(files_of(whole, run)["result of Dies.json"]) == 1
    # The first file has no row, so that it is cleared like any other bytes without one.
    text = b'"' + b"d" * SIZE + b'"'
    written = [path for path in (whole.data_dir / "files").glob("??/*/content") if path.read_bytes() == text]
    assert len(written) == 2
    whole.api.delete(f"/api/runs/{run['id']}")
    time.sleep(0.2)
    assert sum(Path(path).exists() for path in written) == 1
