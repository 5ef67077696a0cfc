"""A queue without a worker: everybody hears of it within two seconds, and that it is over, without a reload."""

import json
import re
import signal
import time

import pytest
from playwright.sync_api import expect

from tests.harness import ROOT, Stack, wait_until

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
COMMAND = "python manage.py worker --queues gpu.a100"
PROMISE = 2.0  # seconds


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A system whose model worker serves gpu.any and nothing else."""
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(ROOT / "tests" / "acceptance" / "chains"),
        "WORKER_PROCESSES": "1",
        "MODEL_QUEUES": "gpu.any",
    }
    stack = Stack(data_dir=tmp_path_factory.mktemp("unserved") / "data", env=env)
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture
def painter(stack):
    """Starts a worker that serves gpu.a100, and ends it after the test if that has not."""
    started = []

    def start():
        worker = stack.worker("gpu.a100", name="painter")
        started.append(worker)
        return worker

    yield start
    for worker in started:
        if worker.poll() is None:
            worker.terminate()
        worker.wait(20)


def waits(stack, run_id):
    return [(wait["queue"], wait["count"], wait["reason"]) for wait in stack.run(run_id)["waiting_for"]]


def paint(stack, *colours):
    """Start a run and wait until its calls are queued; its id, and when that was."""
    run_id = stack.start_run("far", colours=list(colours))
    stack.wait_event(run_id, "invocation.queued", count=1 + len(colours))
    return run_id, time.monotonic()


def within_two_seconds(check, since, what):
    wait_until(check, timeout=10, what=what)
    took = time.monotonic() - since
    assert took < PROMISE, f"{what}: after {took:.2f} s"


def test_it_is_told_within_two_seconds_and_taken_back_when_a_worker_comes(stack, page, painter):
    page.goto("/")
    run_id, queued = paint(stack, "red", "green")
    page.goto(f"/runs/{run_id}")
    notice = page.get_by_text("gpu.a100 has no worker.")
    within_two_seconds(notice.is_visible, queued, "the page says so")
    within_two_seconds(lambda: waits(stack, run_id), queued, "the interface says so")
    assert waits(stack, run_id) == [("gpu.a100", 2, "no_worker")]
    shown = page.get_by_role("status").filter(has=notice)
    expect(shown).to_contain_text("2 steps have waited for it since")
    expect(shown).to_contain_text("a machine with one A100")
    expect(shown).to_contain_text(COMMAND)

    admin = page.context.new_page()
    admin.goto(f"/admin/runs/run/{run_id}/change/")
    expect(admin.get_by_text("2 calls have waited for gpu.a100 since")).to_contain_text(COMMAND)
    admin.goto("/admin/fleet/worker/")
    row = admin.get_by_role("table", name="Queues without a worker").get_by_role("row", name="gpu.a100")
    expect(row).to_contain_text("no worker serves it")
    expect(row).to_contain_text(COMMAND)

    painter()
    expect(notice).to_be_hidden()
    expect(page.get_by_text("Ready", exact=True)).to_be_visible()
    run = stack.wait_run(run_id)
    assert (run["output"], run["waiting_for"]) == (["a red square", "a green square"], [])
    admin.reload()
    expect(admin.get_by_text("Queues without a worker")).to_be_hidden()


@pytest.mark.parametrize(
    ("signum", "reason", "words"),
    [
        (signal.SIGTERM, "worker_stopped", "The one that served it was stopped."),
        (signal.SIGKILL, "worker_lost", "The one that served it gives no sign of life."),
    ],
)
def test_what_became_of_the_last_worker_is_said_to_an_open_page(stack, page, painter, signum, reason, words):
    worker = painter()
    assert stack.wait_run(paint(stack, "blue")[0])["output"] == ["a blue square"]
    worker.send_signal(signum)
    worker.wait(20)
    time.sleep(3)  # a heartbeat is due every two
    run_id, queued = paint(stack, "black")
    page.goto(f"/runs/{run_id}")
    within_two_seconds(page.get_by_text(words).is_visible, queued, "the page says what became of it")
    assert waits(stack, run_id) == [("gpu.a100", 1, reason)]


def test_a_worker_that_is_killed_while_calls_wait_is_missed_soon(stack, painter):
    worker = painter()
    assert stack.wait_run(paint(stack, "blue")[0])["output"] == ["a blue square"]
    worker.send_signal(signal.SIGSTOP)  # it lives, and takes nothing
    run_id, _ = paint(stack, "white")
    assert waits(stack, run_id) == []
    worker.kill()
    worker.wait(20)
    wait_until(lambda: waits(stack, run_id), timeout=6, what="the loss is told")
    assert waits(stack, run_id) == [("gpu.a100", 1, "worker_lost")]
    painter()
    assert stack.wait_run(run_id)["output"] == ["a white square"]


def test_cancelling_ends_the_wait(stack, page):
    run_id, _ = paint(stack, "grey")
    page.goto(f"/runs/{run_id}")
    notice = page.get_by_text("gpu.a100 has no worker.")
    expect(notice).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(notice).to_be_hidden()
    assert waits(stack, run_id) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_page_in_this_state_fits_and_axe_finds_nothing(stack, open_page, width, scheme):
    run_id, _ = paint(stack, "red", "green", "blue")
    page = open_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(f"/runs/{run_id}")
    expect(page.get_by_text("gpu.a100 has no worker.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "async () => (await axe.run()).violations.map((one) => [one.id, one.nodes[0].html])"
    )
    assert found == [], json.dumps(found, indent=1)
    expect(page.get_by_role("complementary", name="Steps")).to_contain_text(re.compile("0 of 3"))
