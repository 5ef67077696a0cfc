"""The run page of any chain: what it streams, logs, blocks and fails with, while it does so."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.acceptance.chains.story import BEGINNING, END
from tests.harness import ROOT, Stack, wait_until

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"width": 320, "height": 640}
BLOCKED = re.compile(r"Blocked the event loop for \d\.\d s at story\.py:\d+: time\.sleep\(seconds\)")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A system of this file's own, with two chains that somebody has dropped into its folder, and no models."""
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(ROOT / "tests" / "acceptance" / "chains"),
        "WORKER_PROCESSES": "1",
    }
    stack = Stack(data_dir=tmp_path_factory.mktemp("chains") / "data", env=env)
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def told(stack, tmp_path_factory):
    """The id of a story that has been told to its end."""
    gate = tmp_path_factory.mktemp("gate") / "open"
    gate.touch()
    run_id = stack.start_run("story", gate=str(gate))
    assert stack.wait_run(run_id)["state"] == "succeeded"
    return run_id


@pytest.fixture(scope="module")
def stumbled(stack):
    """The id of a run that failed three levels deep."""
    run_id = stack.start_run("stumble", book="Emma")
    assert stack.wait_run(run_id)["state"] == "failed"
    return run_id


def steps_of(page):
    return page.get_by_role("complementary", name="Steps")


def test_text_is_read_while_it_streams(stack, page, tmp_path):
    gate = tmp_path / "open"
    run_id = stack.start_run("story", gate=str(gate))
    page.goto(f"/runs/{run_id}")
    output = page.get_by_role("region", name="Output")
    text = output.get_by_role("log")
    expect(text).to_have_text(BEGINNING, use_inner_text=True)
    expect(output).to_contain_text("more is coming")
    expect(page.get_by_text("Running", exact=True)).to_be_visible()
    assert stack.run(run_id)["state"] == "running"
    assert text.evaluate("element => element.textContent") == BEGINNING, "its spaces and line breaks are kept"

    gate.touch()
    expect(page.get_by_text("Ready", exact=True)).to_be_visible()
    expect(output).not_to_contain_text("more is coming")
    whole = text.evaluate("element => element.textContent")
    assert whole == f"{BEGINNING}{END} "
    page.reload()
    expect(page.get_by_text("Ready", exact=True)).to_be_visible()
    assert text.evaluate("element => element.textContent") == whole, "it stays as it was read"


def test_a_long_text_is_followed_until_the_reader_scrolls_back(stack, open_page, tmp_path):
    gate = tmp_path / "open"
    run_id = stack.start_run("story", gate=str(gate))
    page = open_page(viewport={"width": 360, "height": 240})
    page.goto(f"/runs/{run_id}")
    text = page.get_by_role("region", name="Output").get_by_role("log")
    left = "element => element.scrollHeight - element.scrollTop - element.clientHeight"
    expect(text).to_contain_text("there was a queue.")
    gate.touch()
    wait_until(
        lambda: text.evaluate("e => e.scrollHeight - e.clientHeight") > 60, timeout=20, what="a long text"
    )
    assert text.evaluate(left) < 24
    text.evaluate("element => { element.scrollTop = 0; }")
    expect(page.get_by_text("Ready", exact=True)).to_be_visible()
    assert text.evaluate("element => element.scrollTop") == 0


def test_a_call_opens_with_its_log_and_where_it_blocked_its_loop(page, told):
    page.goto(f"/runs/{told}")
    steps_of(page).get_by_role("button", name="2 log lines · blocked its loop").click()
    call = page.get_by_role("dialog", name="Dozer")
    expect(call).to_contain_text(BLOCKED)
    expect(call).to_contain_text("await chains.offload(…)")
    log = call.get_by_role("region", name="Log")
    expect(log.get_by_role("listitem").first).to_contain_text("warning Dozes off. seconds=1")
    expect(log.get_by_role("listitem").nth(1)).to_contain_text("Is awake.")
    page.keyboard.press("Escape")
    expect(call).to_be_hidden()

    steps_of(page).get_by_text("Every try as a table").click()
    row = steps_of(page).get_by_role("row").filter(has_text="Dozer")
    row.get_by_role("button", name="Dozer").click()
    expect(call).to_contain_text(BLOCKED)
    call.get_by_role("button", name="Close").click()
    expect(call).to_be_hidden()
    expect(row.get_by_role("button", name="Dozer")).to_be_focused()


def test_a_call_that_said_nothing_says_so(page, told):
    page.goto(f"/runs/{told}")
    steps_of(page).get_by_text("Every try as a table").click()
    steps_of(page).get_by_role("row").get_by_role("button", name="Teller").click()
    call = page.get_by_role("dialog", name="Teller")
    expect(call).to_contain_text("Try 1 on cpu")
    expect(call).to_contain_text("This call has logged nothing.")


def test_a_failure_three_levels_deep_is_read_from_the_entrypoint_to_the_root(stack, page, stumbled):
    page.goto(f"/runs/{stumbled}")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Shelf failed: no Emma on this shelf")
    levels = alert.get_by_role("listitem")
    expect(levels).to_have_count(3)
    for level, (chainlet, words, line) in zip(
        levels.all(),
        [
            ("Reader, try 1 on cpu", "RuntimeError: cannot read Emma", "raise RuntimeError("),
            ("Librarian, try 2 on cpu", "passed on the error of Shelf", "await self._shelf.run_remote(book)"),
            ("Shelf, try 2 on cpu", "LookupError: no Emma on this shelf", "raise LookupError("),
        ],
        strict=True,
    ):
        expect(level).to_be_visible()
        expect(level).to_contain_text(chainlet)
        expect(level).to_contain_text(words)
        expect(level).to_contain_text(line)
        expect(level).to_contain_text("stumble.py:")
    assert stack.run(stumbled)["error"]["text"].endswith("LookupError: no Emma on this shelf")

    steps_of(page).get_by_role("button", name="2 errors").first.click()
    call = page.get_by_role("dialog", name="Librarian")
    for attempt in (1, 2):
        story = call.get_by_role("region", name=f"Error of try {attempt}")
        expect(story.get_by_role("listitem").last).to_contain_text("LookupError: no Emma on this shelf")


def test_an_operator_reads_the_same_in_the_admin(page, told, stumbled):
    page.goto(f"/admin/runs/run/{told}/change/")
    page.get_by_text("Log of Dozer, 3 lines").click()
    expect(page.get_by_text("Dozes off.")).to_be_visible()
    expect(
        page.get_by_text(re.compile(r"Blocked the event loop for \d\.\d s at story\.py:\d+"))
    ).to_be_visible()
    page.goto(f"/admin/runs/run/{stumbled}/change/")
    expect(page.get_by_text("Chainlet-Traceback").first).to_be_visible()
    expect(page.get_by_text("LookupError: no Emma on this shelf").first).to_be_visible()


@pytest.fixture
def visit(open_page, told, stumbled):
    """Opens a page by its name and waits until it is all there."""

    def go(name, **options):
        page = open_page(**options)
        page.goto(f"/runs/{stumbled if name == 'failed' else told}")
        if name == "failed":
            expect(page.get_by_role("alert").get_by_role("listitem")).to_have_count(3)
            steps_of(page).get_by_text("Every try as a table").click()
            return page
        expect(page.get_by_role("region", name="Output")).to_be_visible()
        if name == "call":
            steps_of(page).get_by_role("button", name="blocked its loop").click()
            expect(page.get_by_role("dialog")).to_be_visible()
        return page

    return go


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["streamed", "call", "failed"])
def test_axe_finds_nothing(visit, name, scheme):
    if not AXE.exists():
        pytest.skip("needs axe-core: run npm ci in frontend/")
    page = visit(name, color_scheme=scheme)
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    words = [(one["id"], one["help"], [node["html"] for node in one["nodes"]]) for one in found]
    assert not found, json.dumps(words, indent=1)


@pytest.mark.parametrize("name", ["streamed", "call", "failed"])
def test_nothing_scrolls_sideways_on_a_small_phone(visit, name):
    page = visit(name, viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    if name == "call":
        assert page.get_by_role("dialog").evaluate("element => element.scrollWidth <= element.clientWidth")


def test_a_run_is_run_again_whole_or_from_one_of_its_calls(stack, page):
    first = stack.wait_run(stack.start_run("hello", names=["Ann", "Bob"]))
    page.goto(first["url"])
    page.get_by_role("button", name="Run again", exact=True).click()
    page.wait_for_url(lambda url: "/runs/" in url and first["id"] not in url)
    expect(page.get_by_text("Ready", exact=True)).to_be_visible()
    second = stack.run(page.url.rpartition("/")[2])
    assert (second["rerun_of"], second["output"]) == (first["id"], first["output"])
    expect(steps_of(page)).not_to_contain_text("kept from before")

    page.get_by_text("Every try as a table").click()
    page.get_by_role("button", name="Greeter").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Run again from here").click()
    page.wait_for_url(lambda url: "/runs/" in url and second["id"] not in url)
    expect(page.get_by_text("Ready", exact=True)).to_be_visible()
    expect(steps_of(page)).to_contain_text("2 of 2 · 1 kept from before")
    third = stack.run(page.url.rpartition("/")[2])
    assert (third["rerun_of"], third["output"]) == (second["id"], first["output"])


def test_a_run_that_can_no_longer_be_repeated_says_why(stack, page, console):
    run = stack.wait_run(stack.start_run("hello", names=["Ann"]))
    page.goto(run["url"])
    again = page.get_by_role("button", name="Run again", exact=True)
    expect(again).to_be_visible()
    stack.api.delete(f"/api/runs/{run['id']}")
    again.click()
    expect(page.get_by_role("alert")).to_have_text("There is no run with this id.")
    expect(again).to_be_enabled()
    console.clear()
