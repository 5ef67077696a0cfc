"""Every page in both themes, on a phone, and by keyboard alone."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.harness import ROOT

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = ["library", "run", "run with its menus open", "hello", "failed", "no such page", "login"]


@pytest.fixture(scope="session")
def failed_run(stack, tmp_path_factory):
    """The id of a run that has failed."""
    broken = tmp_path_factory.mktemp("broken") / "broken.wav"
    broken.write_bytes(b"RIFF\x24\x10\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(range(256)) * 16)
    run_id = stack.start_run("transcribe", audio=stack.upload(broken)["id"])
    assert stack.wait_run(run_id)["state"] == "failed"
    return run_id


@pytest.fixture
def visit(stack, open_page, finished_run, failed_run):
    """Opens a page by its name and waits until it is all there."""

    def go(name, **options):
        page = open_page(logged_in=name != "login", **options)
        if name == "library":
            page.goto("/")
            expect(page.get_by_role("link", name="One minute of Kennedy").first).to_be_visible()
        elif name.startswith("run"):
            page.goto(f"/runs/{finished_run}")
            expect(page.get_by_role("button", name=re.compile("Play from")).first).to_be_visible()
            if name != "run":
                page.get_by_role("group").filter(has_text="Every try").get_by_text("Every try").click()
                page.get_by_role("button", name="Save excerpt").click()
                page.get_by_role("group").filter(has_text="Download").get_by_text("Download").click()
        elif name == "hello":
            page.goto(f"/runs/{stack.start_run('hello', names=['Ada'])}")
            expect(page.get_by_role("region", name="Output")).to_be_visible()
        elif name == "failed":
            page.goto(f"/runs/{failed_run}")
            page.get_by_role("alert").get_by_text("step by step").click()
        elif name == "no such page":
            page.goto("/no/such/page")
            expect(page.get_by_role("heading", name="no page")).to_be_visible()
        else:
            page.goto("/")
            expect(page.get_by_role("button", name="Log in")).to_be_visible()
        return page

    return go


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(visit, console, name, scheme):
    if not AXE.exists():
        pytest.skip("needs axe-core: run npm ci in frontend/")
    page = visit(name, color_scheme=scheme)
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    words = [(one["id"], one["help"], [node["html"] for node in one["nodes"]]) for one in found]
    assert not found, json.dumps(words, indent=1)
    if name == "login":
        console.clear()  # Chromium writes that nobody is logged in


@pytest.mark.parametrize("name", PAGES)
def test_nothing_scrolls_sideways_on_a_small_phone(visit, console, name):
    page = visit(name, viewport={"width": 320, "height": 640})
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 320
    if name == "login":
        console.clear()


def test_a_chosen_theme_is_kept(page):
    page.goto("/")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("group").filter(has_text="Log out").get_by_text("admin", exact=True).click()
    page.get_by_role("combobox", name="Theme").select_option("Dark")
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    assert page.evaluate(background) == dark


def test_the_keyboard_reaches_everything(page, finished_run):
    page.goto(f"/runs/{finished_run}")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    slider = page.get_by_role("slider", name="Position in the recording")
    for _ in range(8):
        page.keyboard.press("Tab")
        if slider.evaluate("element => element === document.activeElement"):
            break
    expect(slider).to_be_focused()
    page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) == pytest.approx(5, abs=0.1)
    page.get_by_role("link", name="Library").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Library")).to_be_focused()
