"""The list of runs, and files on their way to it."""

import base64

import pytest
from playwright.sync_api import expect


def choose(page, *files):
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files(files)


def test_several_files_become_several_runs(page, recording):
    page.goto("/")
    choose(page, recording(0.4), recording(0.6))
    for title in ("0.4 minutes of Kennedy", "0.6 minutes of Kennedy"):
        row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name=title, exact=True))
        expect(row).to_contain_text("Ready", timeout=60_000)
        expect(row).to_contain_text("my fellow Americans")
    expect(page.get_by_role("region", name="Uploads")).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("letter.txt", b"Dear all, this is a letter. " * 40, "not a sound or video file"),
        ("nothing.wav", b"", "empty"),
    ],
)
def test_a_file_that_cannot_be_transcribed_says_so_beside_its_name(
    stack, page, console, name, content, words
):
    before = stack.api.get("/api/runs").json()["results"]
    page.goto("/")
    choose(page, {"name": name, "mimeType": "application/octet-stream", "buffer": content})
    upload = page.get_by_role("region", name="Uploads").get_by_role("listitem").filter(has_text=name)
    expect(upload.get_by_role("alert")).to_contain_text(words)
    upload.get_by_role("button", name="Dismiss").click()
    expect(upload).to_be_hidden()
    assert stack.api.get("/api/runs").json()["results"] == before
    console.clear()


def test_an_upload_can_be_cancelled_and_tried_again(page, recording, console):
    page.goto("/")
    held = []
    # Never answered, so the upload hangs. Playwright writes on its handlers, which append does not allow.
    page.route("**/api/files", lambda route: held.append(route))  # noqa: PLW0108
    choose(page, recording(0.3))
    page.get_by_role("button", name="Cancel upload of 0.3 minutes of Kennedy.wav").click()
    expect(page.get_by_role("region", name="Uploads")).to_be_hidden()
    page.unroute("**/api/files")

    page.route("**/api/files", lambda route: route.abort())
    choose(page, recording(0.3))
    expect(page.get_by_role("alert")).to_contain_text("connection broke")
    page.unroute("**/api/files")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("link", name="0.3 minutes of Kennedy", exact=True)).to_be_visible()
    console.clear()


def test_a_file_dropped_on_any_page_is_uploaded(page, recording, finished_run):
    page.goto(f"/runs/{finished_run}")
    expect(page.get_by_role("heading", name="One minute of Kennedy")).to_be_visible()
    held = page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            const content = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
            transfer.items.add(new File([content], "dropped.wav", { type: "audio/wav" }));
            return transfer;
        }""",
        base64.b64encode(recording(0.2).read_bytes()).decode(),
    )
    page.get_by_role("main").dispatch_event("dragenter", {"dataTransfer": held})
    expect(page.get_by_text("Drop to transcribe")).to_be_visible()
    page.get_by_role("main").dispatch_event("drop", {"dataTransfer": held})
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    expect(page.get_by_role("link", name="dropped", exact=True)).to_be_visible()


def test_a_server_that_is_away_is_told_and_the_list_comes_back(page, console, finished_run):
    page.goto("/")
    link = page.get_by_role("link", name="One minute of Kennedy").first
    expect(link).to_be_visible()
    page.route("**/api/runs", lambda route: route.abort())
    page.get_by_role("link", name="Chainlets").click()
    link.click()
    page.get_by_role("link", name="Library").click()
    expect(page.get_by_text("The list cannot be shown.")).to_be_visible()
    page.unroute("**/api/runs")
    page.get_by_role("button", name="Try again").click()
    expect(link).to_be_visible()
    console.clear()


def test_who_has_started_too_many_runs_is_told_and_may_try_again_later(
    page, open_page, recording, console, stack
):
    operator = open_page()

    def allow(runs_per_minute):
        operator.goto("/admin/accounts/allowance/")
        operator.get_by_role("link", name="admin", exact=True).last.click()
        operator.get_by_label("Runs per minute").fill(runs_per_minute)
        operator.get_by_role("button", name="Save", exact=True).click()
        expect(operator.get_by_text("was changed successfully")).to_be_visible()

    stack.start_run("hello", names=[])
    allow("1")
    stack.start_run("hello", names=[])
    page.goto("/")
    choose(page, recording(0.3))
    upload = page.get_by_role("region", name="Uploads").get_by_role("listitem")
    expect(upload.get_by_role("alert")).to_contain_text(
        "The user admin may start 1 run in a minute, and has."
    )
    allow("")
    console.clear()  # the 429
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("region", name="Uploads")).to_be_hidden()
    expect(page.get_by_role("link", name="0.3 minutes of Kennedy").first).to_be_visible()
