"""One run: from the upload to the text on one's disk."""

import re
import wave

from playwright.sync_api import expect

from tests.acceptance.test_library import choose

SENTENCE = "ask not what your country can do for you"


def position(page):
    """Where the player stands, in seconds."""
    return float(page.get_by_role("slider", name="Position in the recording").input_value())


def lines(page):
    """The lines of the transcript as shown."""
    rows = page.get_by_role("region", name="Transcript").get_by_role("listitem")
    return [text for text in rows.all_inner_texts() if "transcribed" not in text and "its turn" not in text]


def test_text_appears_before_the_end_and_can_be_heard_and_kept(stack, page, recording, tmp_path):
    page.goto("/")
    choose(page, recording(4))
    page.get_by_role("link", name="4 minutes of Kennedy", exact=True).click()
    run_id = page.url.rsplit("/", 1)[-1]

    first = page.get_by_role("button", name="Play from 00:0").first
    expect(first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Transcribing", exact=True)).to_be_visible()
    assert stack.run(run_id)["state"] == "running"
    expect(page.get_by_text("this machine has no GPU, so it runs on the CPU")).to_be_visible()

    expect(page.get_by_text("Ready", exact=True)).to_be_visible(timeout=120_000)
    expect(page.get_by_text("× real time")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("WhisperModel: "))).to_be_visible()
    assert SENTENCE in " ".join(lines(page)).lower().replace("\n", " ")

    page.get_by_role("group").filter(has_text="Download").get_by_text("Download").click()
    for name, content in {
        "TXT Plain text": SENTENCE,
        "SRT SRT subtitles": "00:00:00,",
        "VTT WebVTT subtitles": "WEBVTT",
        "JSON JSON with times": '"segments"',
        "TSV TSV table": "start\tend\ttext",
    }.items():
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        assert path.name == f"4 minutes of Kennedy.{name.split()[0].lower()}"
        assert content.lower() in path.read_text().lower()


def test_a_click_on_a_line_plays_from_there_and_the_keys_work(page, finished_run):
    page.goto(f"/runs/{finished_run}")
    third = page.get_by_role("button", name=re.compile("Play from")).nth(2)
    third.click()
    minutes, seconds = third.get_attribute("aria-label").split()[-1].split(":")
    start = int(minutes) * 60 + int(seconds)
    transcript = page.get_by_role("region", name="Transcript")
    expect(transcript.get_by_role("listitem").nth(2)).to_have_attribute("aria-current", "true")
    assert start <= position(page) < start + 1

    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.wait_for_function(f"() => document.querySelector('audio').currentTime > {start + 1.2}")
    page.get_by_role("heading", name="Transcript").click()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    before = position(page)
    page.keyboard.press("ArrowRight")
    assert abs(position(page) - before - 5) < 0.5
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert abs(position(page) - before + 5) < 0.5
    page.get_by_role("combobox", name="Speed").select_option("1.5")
    assert page.evaluate("document.querySelector('audio').playbackRate") == 1.5


def test_following_yields_to_the_reader_and_comes_back(open_page, finished_run):
    page = open_page(viewport={"width": 900, "height": 420})
    page.goto(f"/runs/{finished_run}")
    last = page.get_by_role("button", name=re.compile("Play from")).last
    last.click()
    page.get_by_role("button", name="Play", exact=True).click()
    follow = page.get_by_role("checkbox", name="Follow")
    expect(follow).to_be_checked()
    expect(last).to_be_in_viewport()
    page.mouse.move(400, 300)
    page.mouse.wheel(0, -3000)
    expect(follow).not_to_be_checked()
    page.get_by_role("button", name=re.compile("Back to")).click()
    expect(follow).to_be_checked()


def test_an_excerpt_is_cut_out_and_downloaded(page, finished_run, tmp_path):
    page.goto(f"/runs/{finished_run}")
    page.get_by_role("button", name="Save excerpt").click()
    form = page.get_by_role("form", name="Save excerpt")
    form.get_by_role("textbox", name="From").fill("0:12")
    form.get_by_role("textbox", name="To").fill("0:10")
    form.get_by_role("button", name="Cut it out").click()
    expect(form.get_by_role("status")).to_contain_text("The end must lie after the start.")
    form.get_by_role("textbox", name="To").fill("15.5")
    form.get_by_role("button", name="Cut it out").click()
    with page.expect_download(timeout=40_000) as download:
        form.get_by_role("link").click(timeout=40_000)
    download.value.save_as(tmp_path / "excerpt.wav")
    with wave.open(str(tmp_path / "excerpt.wav")) as excerpt:
        assert abs(excerpt.getnframes() / excerpt.getframerate() - 3.5) < 0.05


def test_cancel_keeps_the_text_and_resume_goes_on_from_there(stack, page, recording, transcribe):
    run_id = transcribe(recording(5), title="Cut short")
    page.goto(f"/runs/{run_id}")
    expect(page.get_by_role("button", name="Play from 00:0").first).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
    assert stack.run(run_id)["state"] == "cancelled"
    expect(page.get_by_text("was not transcribed").first).to_be_visible()
    kept = lines(page)
    assert kept

    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("kept from before").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Ready", exact=True)).to_be_visible(timeout=120_000)
    # Rows are sentences once the run is done; what was there before is in them word by word.
    before, after = ([line.split("\n\n", 1)[1] for line in shown] for shown in (kept, lines(page)))
    assert before[0] in " ".join(after)
    assert set(" ".join(before).split()) <= set(" ".join(after).split())


def test_a_run_that_fails_says_why_first(stack, page, tmp_path, transcribe):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF\x24\x10\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(range(256)) * 16)
    run_id = transcribe(broken, title="Broken")
    page.goto(f"/runs/{run_id}")
    expect(page.get_by_text("Failed", exact=True)).to_be_visible(timeout=60_000)
    error = stack.run(run_id)["error"]
    while error["cause"]:
        error = error["cause"]
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(error["message"])
    alert.get_by_text("What happened, step by step").click()
    expect(alert.get_by_role("listitem").first).to_be_visible()
    page.goto("/")
    row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="Broken", exact=True))
    expect(row).to_contain_text(error["message"])


def test_delete_asks_and_then_removes_the_run(stack, page, recording, transcribe):
    run_id = transcribe(recording(0.2), title="To be deleted")
    page.goto(f"/runs/{run_id}")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete this run?")
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    expect(page.get_by_role("link", name="To be deleted")).to_be_hidden()
    assert stack.api.get(f"/api/runs/{run_id}").status_code == 404


def test_a_run_of_another_chain_shows_what_went_in_and_what_came_out(stack, page):
    run_id = stack.start_run("hello", names=["Ada"])
    page.goto(f"/runs/{run_id}")
    expect(page.get_by_role("region", name="Input")).to_contain_text("Ada")
    expect(page.get_by_role("region", name="Output")).to_contain_text("Ada")
    expect(page.get_by_role("complementary", name="Steps")).to_contain_text("done")


def test_someone_elses_or_deleted_run_is_told_in_words(page, console):
    page.goto("/runs/00000000-0000-4000-8000-000000000000")
    expect(page.get_by_role("heading", name="There is no such run")).to_be_visible()
    page.goto("/no/such/page")
    expect(page.get_by_role("heading", name="There is no page at this address")).to_be_visible()
    console.clear()
