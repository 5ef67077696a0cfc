"""Any process may be killed: the run still ends right, in time, and finished pieces are not transcribed again."""

import os
import signal
import time

import pytest

from tests.harness import Stack, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

WHISPER = "WhisperModel"
PATIENCE = 30.0  # seconds that a kill may cost


@pytest.fixture(scope="module")
def undisturbed(stack, speech_dir):
    """The right transcript of the recording, and how long it takes here: (text, seconds)."""
    start = time.monotonic()
    run = stack.wait_run(start_transcription(stack, speech_dir), timeout=200)
    assert run["state"] == "succeeded"
    return run["output"]["text"], time.monotonic() - start


def start_transcription(stack: Stack, speech_dir) -> str:
    return stack.start_run("transcribe", audio=stack.upload(speech_dir / "four-minutes.flac")["id"])


def finished_pieces(stack, run_id):
    return {
        call["id"]: call["attempt"]
        for call in stack.invocations(run_id)
        if call["chainlet"].endswith(WHISPER) and call["state"] == "succeeded"
    }


def heard_some(stack, run_id):
    """Wait until pieces are finished, and say which."""
    wait_until(lambda: finished_pieces(stack, run_id), timeout=60, what="the first pieces")
    return finished_pieces(stack, run_id)


def check_history(stack, run_id):
    """Gapless, one end of the run, and each call finished exactly once."""
    events = stack.events(run_id)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events].count("run.succeeded") == 1
    ends = [event["invocation"] for event in events if event["type"] == "invocation.succeeded"]
    assert len(ends) == len(set(ends))
    return events


@pytest.mark.parametrize("victim", ["model-1", "model", "cpu", "web", "reconciler", "valkey"])
def test_a_process_killed_in_mid_run_costs_little_and_loses_nothing(stack, speech_dir, undisturbed, victim):
    text, usual = undisturbed
    start = time.monotonic()
    run_id = start_transcription(stack, speech_dir)
    done_before = heard_some(stack, run_id)
    before = set(stack.kill(victim))

    run = stack.wait_run(run_id, timeout=usual + PATIENCE + 30)
    took = time.monotonic() - start

    assert run["state"] == "succeeded", run["error"]
    assert run["output"]["text"] == text
    assert took < usual + PATIENCE
    events = check_history(stack, run_id)
    # What had finished before the kill was neither started nor finished again.
    after = finished_pieces(stack, run_id)
    assert done_before.items() <= after.items()
    starts = [event["invocation"] for event in events if event["type"] == "invocation.started"]
    assert all(starts.count(call) == attempt for call, attempt in done_before.items())
    wait_until(lambda: len(stack.pids(victim)) == len(before), timeout=20, what=f"{victim} to be back")
    assert not before & set(stack.pids(victim))


def test_the_whole_system_killed_at_once_goes_on_where_it_stopped(make_stack, speech_dir, undisturbed):
    text, _ = undisturbed
    stack = make_stack().start()
    run_id = start_transcription(stack, speech_dir)
    done_before = heard_some(stack, run_id)
    os.kill(stack.pid, signal.SIGKILL)
    stack.stop()

    stack.start()
    run = stack.wait_run(run_id, timeout=180)
    assert run["state"] == "succeeded", run["error"]
    assert run["output"]["text"] == text
    check_history(stack, run_id)
    assert done_before.items() <= finished_pieces(stack, run_id).items()


def test_a_stop_in_mid_run_is_graceful_and_the_run_goes_on_after_the_next_start(
    make_stack, speech_dir, undisturbed
):
    text, _ = undisturbed
    stack = make_stack().start()
    run_id = start_transcription(stack, speech_dir)
    heard_some(stack, run_id)
    begin = time.monotonic()
    assert stack.stop(signal.SIGINT) == 0
    assert time.monotonic() - begin < 35
    assert "Traceback" not in stack.log

    stack.start()
    run = stack.wait_run(run_id, timeout=180)
    assert run["state"] == "succeeded", run["error"]
    assert run["output"]["text"] == text
    check_history(stack, run_id)
