"""Getting in and out."""

from playwright.sync_api import expect

from tests.harness import ADMIN_PASSWORD


def log_in(page, password):
    page.get_by_role("textbox", name="Name").fill("admin")
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_a_wrong_password_is_told_and_the_right_one_opens_the_library(open_page, console):
    page = open_page(logged_in=False)
    page.goto("/")
    log_in(page, "not the password")
    expect(page.get_by_role("alert")).to_contain_text("password")
    log_in(page, ADMIN_PASSWORD)
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    # Chromium writes every 401 to the console: one for looking, one for the wrong password.
    assert [text for text in console if "401" not in text] == []
    console.clear()


def test_the_page_one_asked_for_comes_after_the_login(open_page, console, finished_run):
    page = open_page(logged_in=False)
    page.goto(f"/runs/{finished_run}")
    log_in(page, ADMIN_PASSWORD)
    expect(page.get_by_role("heading", name="One minute of Kennedy")).to_be_visible()
    console.clear()


def test_logging_out_ends_the_session(page, console):
    page.goto("/")
    page.get_by_role("group").filter(has_text="Log out").get_by_text("admin", exact=True).click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    console.clear()
