"""A browser with someone logged in, recordings to give it, and an eye on its console."""

import os
import shutil
import wave
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.harness import ADMIN_PASSWORD, ROOT

SAMPLE = ROOT / "chainlets" / "chains" / "transcribe" / "sample" / "jfk.wav"
TRACES = ROOT / "test-results"

expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.acceptance)
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="module")
def browser():
    """Chromium of this machine. One for each file of tests, because it holds an event loop while it is open."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs Chromium: install it, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def console():
    """What the browser complained of. A test that provokes complaints clears it."""
    return []


@pytest.fixture
def open_page(stack, browser: Browser, console, request):
    """Opens windows: `open_page(logged_in=False, viewport=…, color_scheme=…)`; none of them may complain."""
    contexts = []

    def listen(page: Page) -> None:
        page.on("pageerror", lambda error: console.append(str(error)))
        page.on("console", lambda message: message.type == "error" and console.append(message.text))
        page.on("response", lambda answer: answer.status >= 500 and console.append(answer.url))

    def open_page(*, logged_in: bool = True, **options) -> Page:
        context = browser.new_context(base_url=stack.base_url, **options)
        context.tracing.start(screenshots=True, snapshots=True)
        contexts.append(context)
        if logged_in:
            who = {"username": "admin", "password": ADMIN_PASSWORD}
            assert context.request.post("/api/session/login", data=who).ok
        context.on("page", listen)
        return context.new_page()

    yield open_page
    failed = getattr(request.node, "failed", False)
    for number, context in enumerate(contexts):
        if failed:
            name = f"{request.node.name}-{number}"
            for page in context.pages:
                page.screenshot(path=TRACES / f"{name}.png")
            context.tracing.stop(path=TRACES / f"{name}.zip")
        context.close()
    assert failed or not console, f"the browser complained: {console}"


@pytest.fixture
def page(open_page) -> Page:
    """A window of someone who is logged in."""
    return open_page()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Remember a failure until the window is closed, so that its picture and trace are kept."""
    report = yield
    if report.failed:
        item.failed = True
    return report


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    """Makes recordings: `recording(minutes)` is the sample, over and over."""
    folder = tmp_path_factory.mktemp("recordings")

    def make(minutes: float) -> Path:
        path = folder / f"{minutes:g} minutes of Kennedy.wav"
        if not path.exists():
            with wave.open(str(SAMPLE)) as sample:
                settings, frames = sample.getparams(), sample.readframes(sample.getnframes())
            with wave.open(str(path), "wb") as long:
                long.setparams(settings)
                for _ in range(round(minutes * 60 * settings.framerate / settings.nframes)):
                    long.writeframes(frames)
        return path

    return make


@pytest.fixture
def transcribe(stack):
    """Starts transcriptions over REST: `transcribe(path, title="…")` gives the run's id."""

    def start(path: Path, *, title: str = "Kennedy") -> str:
        given = {"chain": "transcribe", "input": {"audio": stack.upload(path)["id"]}, "title": title}
        return stack.api.post("/api/runs", json=given).json()["id"]

    return start


@pytest.fixture(scope="session")
def finished_run(stack, recording):
    """The id of a run of one minute that has succeeded, for tests that only look."""
    given = {"audio": stack.upload(recording(1))["id"]}
    body = {"chain": "transcribe", "input": given, "title": "One minute of Kennedy"}
    run_id = stack.api.post("/api/runs", json=body).json()["id"]
    assert stack.wait_run(run_id)["state"] == "succeeded"
    return run_id
