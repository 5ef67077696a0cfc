"""What the page knows is what happened: across reloads, lost sockets, missing events and no sockets at all."""

import itertools
import json

import pytest
from playwright.sync_api import expect

from tests.acceptance.test_run_page import lines


def calls(stack, run_id):
    """How many times WhisperModel was called and tried."""
    found = [one for one in stack.invocations(run_id) if one["chainlet"] == "WhisperModel"]
    return len(found), sum(len(one["attempts"]) for one in found)


def expect_whole(stack, page, run_id):
    """The page of a run that has ended shows every call, every try and every line."""
    run = stack.wait_run(run_id)
    expect(page.get_by_text("Ready", exact=True)).to_be_visible(timeout=30_000)
    total, tries = calls(stack, run_id)
    steps = page.get_by_role("complementary", name="Steps")
    expect(steps).to_contain_text(f"{total} of {total}")
    steps.get_by_text("Every try as a table").click()
    expect(steps.get_by_role("row").filter(has_text="WhisperModel")).to_have_count(tries)
    rows = [line.split("\n", 1)[1].strip() for line in lines(page)]
    assert [row.removesuffix(" (unsure)").strip() for row in rows] == [
        segment["text"].strip() for segment in run["output"]["segments"]
    ]


def test_what_the_socket_says_is_the_history_without_a_gap(stack, page, recording, transcribe):
    heard, fetched, sockets = [], [], []

    def listen(socket):
        sockets.append(socket.url)
        socket.on("framereceived", lambda frame: heard.append(json.loads(frame)))

    page.on("websocket", listen)
    page.on("response", lambda answer: "/events?" in answer.url and fetched.append(answer))
    run_id = transcribe(recording(5))
    page.goto(f"/runs/{run_id}")
    expect(page.get_by_text("Ready", exact=True)).to_be_visible(timeout=120_000)

    history = stack.events(run_id)
    assert [event["seq"] for event in history] == list(range(1, len(history) + 1))
    before = [event for answer in fetched for event in answer.json()["events"]]
    seqs = [event["seq"] for event in heard]
    assert len(sockets) == 1
    assert len(heard) > 5, "the run was over before the socket was open"
    assert seqs == list(range(seqs[0], seqs[-1] + 1)), "a socket left something out or said it twice"
    known = {event["seq"]: event for event in before + heard}
    assert [known[seq] for seq in sorted(known)] == history
    assert heard == history[seqs[0] - 1 :]
    expect_whole(stack, page, run_id)


def test_a_reload_shows_the_same_state(stack, page, recording, transcribe):
    run_id = transcribe(recording(5), title="A long one")
    page.goto(f"/runs/{run_id}")
    buttons = page.get_by_role("button", name="Play from 0")
    expect(buttons.nth(4)).to_be_visible(timeout=60_000)
    before = lines(page)
    page.reload()
    expect(page.get_by_text("Transcribing", exact=True)).to_be_visible()
    expect(buttons.nth(len(before) - 1)).to_be_visible()
    after = lines(page)
    assert [line for line in after if line in before] == before
    assert stack.run(run_id)["state"] == "running", "the run ended before the reload could be compared"
    expect_whole(stack, page, run_id)


def test_a_socket_that_breaks_in_the_middle_loses_nothing(stack, page, recording, transcribe):
    opened = []

    def break_twice(socket):
        opened.append(socket.url)
        server = socket.connect_to_server()
        count = itertools.count(1)
        mine = len(opened)

        def forward(message):
            # What comes after the tenth message of the first two sockets is lost, and then the socket.
            if mine > 2 or (number := next(count)) <= 10:
                socket.send(message)
            elif number == 13:
                socket.close(code=3000)

        server.on_message(forward)

    page.route_web_socket("**/ws/runs/*", break_twice)
    run_id = transcribe(recording(5))
    page.goto(f"/runs/{run_id}")
    expect_whole(stack, page, run_id)
    assert len(opened) >= 3
    starts = [int(url.rsplit("=", 1)[1]) for url in opened]
    assert starts == sorted(starts)


def test_a_message_that_never_arrives_is_fetched(stack, page, recording, transcribe):
    def swallow(socket):
        server = socket.connect_to_server()
        server.on_message(lambda text: json.loads(text)["seq"] % 7 and socket.send(text))

    page.route_web_socket("**/ws/runs/*", swallow)
    run_id = transcribe(recording(3))
    page.goto(f"/runs/{run_id}")
    expect_whole(stack, page, run_id)


def test_without_sockets_the_page_asks_and_says_so(stack, page, recording, transcribe, console):
    page.route_web_socket("**/ws/runs/*", lambda socket: socket.close(code=3000))
    run_id = transcribe(recording(4))
    page.goto(f"/runs/{run_id}")
    expect(page.get_by_text("asks every two seconds")).to_be_visible()
    expect(page.get_by_role("button", name="Play from 00:0").first).to_be_visible(timeout=60_000)
    expect_whole(stack, page, run_id)
    console.clear()


def test_a_web_server_that_is_killed_is_told_and_found_again(stack, page, recording, transcribe, console):
    run_id = transcribe(recording(4))
    page.goto(f"/runs/{run_id}")
    expect(page.get_by_role("button", name="Play from 00:0").first).to_be_visible(timeout=60_000)
    stack.kill("web")
    expect_whole(stack, page, run_id)
    expect(page.get_by_text("The server cannot be reached.")).to_be_hidden()
    console.clear()


@pytest.mark.parametrize("anchoring", ["by the browser", "by the page"])
def test_text_that_arrives_above_does_not_move_what_is_read(page, finished_run, anchoring):
    """A made-up history on a real page: the second half is there first, and then the first half comes."""
    at = "2030-01-01T10:00:00.000000Z"
    numbers = itertools.count(1)

    def event(type, **data):
        return {"seq": next(numbers), "at": at, "type": type, "invocation": None, "data": data}

    def piece(index):
        start = index * 20
        segments = [
            {
                "start": start + 4 * k,
                "end": start + 4 * k + 4,
                "text": f"Line {k} of piece {index}, " + "which goes on for a while " * (1 + (index + k) % 4),
                "confidence": 0.9,
            }
            for k in range(5)
        ]
        return event("partial", kind="piece", index=index, start=start, end=start + 20, segments=segments)

    plan = [[index * 20, index * 20 + 20] for index in range(20)]
    history = [
        event("run.created", chain="transcribe", version=1, title="Out of order"),
        event("run.started"),
        event("partial", kind="audio", duration=400, peaks=None),
        event("partial", kind="plan", pieces=plan),
        *(piece(index) for index in range(10, 20)),
    ]
    sockets = []
    if anchoring == "by the page":  # as in browsers without scroll anchoring
        page.add_init_script(
            """CSS.supports = () => false;
            addEventListener("load", () => { document.documentElement.style.overflowAnchor = "none"; });"""
        )
    page.route(
        "**/events?**", lambda route: route.fulfill(json={"events": history, "last_seq": len(history)})
    )
    page.route_web_socket("**/ws/runs/*", lambda socket: sockets.append(socket))  # noqa: PLW0108
    page.goto(f"/runs/{finished_run}")
    line = page.get_by_text("Line 2 of piece 14")
    line.scroll_into_view_if_needed()
    page.mouse.move(500, 400)
    page.mouse.wheel(0, 200)
    page.wait_for_timeout(400)
    before = line.bounding_box()["y"]
    for index in (7, 3, 8, 0, 9, 5):
        sockets[0].send(json.dumps(piece(index)))
        expect(page.get_by_text(f"Line 4 of piece {index},")).to_be_attached()
        assert abs(line.bounding_box()["y"] - before) <= 2, f"piece {index} moved the text"
