"""Services elsewhere: stubs against a real server on this machine, in all the ways it can misbehave."""

import asyncio
import json
import logging
import subprocess
import sys
import time

import pytest

import chainlets as chains
from chainlets.context import Secrets
from chainlets.remote import StubBase
from tests.harness import ROOT
from tests.unit.sdk.remote_service import (
    KEY,
    LLM,
    OddError,
    Point,
    both_ways,
    error_both_ways,
    options,
    remote_error,
    until,
)


async def test_inputs_are_posted_as_json_and_the_answer_comes_back_as_json(service):
    service.answer = lambda _: b'{"text": ["caf\xc3\xa9"]}'
    stub = LLM.from_url(f"{service.url}?v=1", KEY)

    assert await both_ways(stub, {"point": Point(x=1), "n": 2}) == {"text": ["café"]}
    assert await both_ways(stub, Point(x=3)) == {"text": ["café"]}

    assert [json.loads(body) for _, _, body in service.requests] == [
        {"point": {"x": 1, "y": 0}, "n": 2},
        {"point": {"x": 1, "y": 0}, "n": 2},
        {"x": 3, "y": 0},
        {"x": 3, "y": 0},
    ]
    for path, headers, _ in service.requests:
        assert path == "/predict?v=1"
        assert headers["authorization"] == f"Api-Key {KEY}"
        assert headers["content-type"] == "application/json"


async def test_an_output_model_gives_a_model_or_says_what_came_instead(service):
    stub = LLM.from_url(service.url)
    service.answer = lambda _: b'{"x": 1}'
    assert await both_ways(stub, {}, Point) == Point(x=1)

    service.answer = lambda _: b'{"z": 1}'
    with pytest.raises(
        chains.CallError, match=r"`LLM` at .*/predict answered with what is no `Point`: {\"z\": 1}"
    ):
        await stub.predict_async({}, Point)
    service.answer = lambda _: b"<html>"
    assert "answered with what is no JSON: <html>" in str(await error_both_ways(stub))


def context(**secrets: str) -> chains.DeploymentContext:
    return chains.DeploymentContext(secrets=Secrets(secrets))


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (KEY, f"Api-Key {KEY}"),
        (f"{KEY}\n", f"Api-Key {KEY}"),
        (context(baseten_chain_api_key=KEY, other="o"), f"Api-Key {KEY}"),
        (context(other="o"), None),
        (None, None),
        ("", None),
    ],
)
async def test_the_key_comes_from_a_text_or_the_context_and_may_be_missing(service, given, sent):
    await both_ways(LLM.from_url(service.url, given), {})

    assert [headers.get("authorization") for _, headers, _ in service.requests] == [sent, sent]


async def test_the_key_and_what_is_in_the_query_show_up_nowhere(service, caplog, no_pauses):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses, as the author gave them
    stub = LLM.from_url(f"{service.url}?token=t0ken", KEY, options(retries=2))
    told = [repr(stub), str(vars(stub))]

    service.answer = lambda _: (500, f"no such key: {KEY}".encode())
    told.append(str(await error_both_ways(stub)))
    detail = {"exception_cls_name": "ValueError", "exception_message": f"bad {KEY}"}
    service.answer = lambda _: (500, json.dumps({"error": detail}).encode())
    told.append(str(await error_both_ways(stub)))
    service.answer = lambda _: f"no JSON: {KEY}".encode()
    told.append(str(await error_both_ways(stub)))

    assert len(caplog.records) > 8
    for text in [*told, caplog.text]:
        assert KEY not in text
        assert "t0ken" not in text
    assert told[0] == f"<LLM at {service.url}>"
    logging.getLogger("httpx").setLevel(logging.NOTSET)


@pytest.mark.parametrize("key", ["two\nlines", "clé", "tab\tbed"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key):
    with pytest.raises(
        chains.ChainsUsageError, match="key for `LLM` has characters that no header"
    ) as caught:
        LLM.from_url("http://host/", key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["", "host/predict", "ftp://host/", "http://", "http://host:port/", "https://me:secret@host/"]
)
def test_what_is_no_address_is_refused_with_the_right_form(address):
    with pytest.raises(
        chains.ChainsUsageError, match=r"LLM.from_url` needs an address such as 'https://"
    ) as caught:
        LLM.from_url(address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("retries", "statuses", "attempts"),
    [
        (3, [503, 500, 200], 3),
        (3, [429, 408, 200], 3),
        (2, [503, 503, 200], 2),
        (1, [503, 200], 1),
        (0, [503, 200], 1),
        (3, [400, 200], 1),
        (3, [404, 200], 1),
        (3, [307, 200], 1),
    ],
)
async def test_retries_are_attempts_in_all_and_what_the_caller_did_wrong_is_not_tried_again(
    service, no_pauses, retries, statuses, attempts
):
    stub = LLM.from_url(service.url, options=options(retries=retries))
    asked = iter(statuses * 2)
    service.answer = lambda _: (next(asked), b'"body"')

    if statuses[attempts - 1] == 200:
        assert await stub.predict_async({}) == "body"
    else:
        with pytest.raises(chains.CallError, match=f"answered {statuses[attempts - 1]}: ") as caught:
            await stub.predict_async({})
        assert caught.value.retryable is (statuses[attempts - 1] in (408, 429, 500, 503))
    assert len(service.requests) == attempts


def test_between_two_attempts_there_is_a_pause(service, monkeypatch):
    monkeypatch.setattr("chainlets.retrying.BACKOFF_FIRST_S", 0.2)
    stub = LLM.from_url(service.url, options=options(retries=2))
    service.answer = lambda number: (503, b"") if number == 0 else b"1"
    started = time.monotonic()

    assert stub.predict_sync({}) == 1
    assert 0.1 <= time.monotonic() - started < 2


async def test_an_answer_that_says_nothing_known_is_told_with_status_address_and_its_beginning(service):
    service.answer = lambda _: (502, b"<html>" + b"x" * 1000)
    stub = LLM.from_url(f"{service.url}?token=t0ken")

    error = await error_both_ways(stub)

    assert type(error) is chains.CallError
    assert str(error) == f"`LLM` at {service.url} answered 502: <html>{'x' * 194}"
    service.answer = lambda _: (500, b"")
    assert str(await error_both_ways(stub)).endswith("answered 500: (nothing)")


@pytest.mark.parametrize(
    ("name", "module", "kind", "text"),
    [
        ("ValueError", "builtins", ValueError, "too long"),
        ("ValueError", None, ValueError, "too long"),
        ("TimeoutError", "builtins", TimeoutError, "too long"),
        ("OddError", OddError.__module__, OddError, "too long"),
        ("Unheard", "their.module", chains.GenericRemoteException, "Unheard: too long"),
    ],
)
async def test_what_was_raised_there_is_raised_here(service, name, module, kind, text):
    service.answer = lambda _: (500, remote_error(name, module, "too long"))

    error = await error_both_ways(LLM.from_url(service.url))

    assert type(error) is kind
    assert str(error) == text
    assert (error.failure.chainlet, error.failure.type, error.failure.message) == ("LLM", name, "too long")
    first, second = error.failure.frames
    assert (first.file, first.line, first.name, first.code) == ("model.py", 7, "predict", "raise it")
    assert (second.line, second.code) == (0, "")


async def test_an_error_there_is_tried_again_unless_the_caller_is_to_blame(service, no_pauses):
    stub = LLM.from_url(service.url, options=options(retries=3))
    service.answer = lambda _: (500, remote_error("ValueError", "builtins", "m"))
    assert await error_both_ways(stub)
    assert len(service.requests) == 6

    service.answer = lambda _: (422, remote_error("ValueError", "builtins", "m"))
    error = await error_both_ways(stub)
    assert isinstance(error, ValueError)
    assert error.retryable is False
    assert len(service.requests) == 8


async def test_a_service_that_is_not_there_is_told_and_tried_again(service, no_pauses, caplog):
    service.stop()
    stub = LLM.from_url(service.url, KEY, options(retries=3))

    told = f"The call of `LLM` at {service.url} failed on the way. ConnectError: "
    with pytest.raises(chains.CallError, match=told):
        await stub.predict_async({})
    with pytest.raises(chains.CallError, match=told):
        stub.predict_sync({})

    assert caplog.text.count("Attempt 3 of 3 to call `LLM` failed") == 2


async def test_connections_are_kept_for_the_next_call(service):
    stub, other = LLM.from_url(service.url), LLM.from_url(service.url)
    for _ in range(3):
        await stub.predict_async({})
        await other.predict_async({})
        [_ async for _ in await stub.predict_async_stream({})]

    assert service.connections == 1


def test_each_loop_has_a_client_that_is_closed_when_the_loop_ends(service):
    stub = LLM.from_url(service.url)
    for number in range(1, 4):
        assert asyncio.run(stub.predict_async({})) == "fine"
        assert service.connections == number
        until(lambda: service.open_connections == 0)


def test_a_stub_outlives_a_loop_that_was_closed_and_not_shut_down(service):
    service.headers = {"Connection": "close"}  # nothing is left open, so only the loop is gone
    stub = LLM.from_url(service.url)
    for _ in range(2):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(stub.predict_async({})) == "fine"
        loop.close()
    assert asyncio.run(stub.predict_async({})) == "fine"


def test_httpx_is_imported_with_the_first_stub_and_everything_is_closed_when_the_process_ends(service):
    program = f"""
import asyncio, atexit, sys, threading
atexit.register(lambda: print("left open:", len(_by_loop)))
from chainlets.clients import _by_loop
from chainlets.remote import StubBase
print("httpx" in sys.modules)
stub = StubBase.from_url({service.url!r})
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
print(asyncio.run_coroutine_threadsafe(stub.predict_async({{}}), loop).result(5), stub.predict_sync({{}}))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr, done.returncode) == ("False\nfine fine\nleft open: 0\n", "", 0)


async def test_no_cookie_of_one_stub_goes_along_with_another(service):
    service.headers = {"Set-Cookie": "session=1; Path=/"}
    for _ in range(2):
        await both_ways(LLM.from_url(service.url), {})

    assert not any("cookie" in headers for _, headers, _ in service.requests)


async def test_a_chainlet_holds_a_stub_as_a_plain_attribute(service):
    class Poem(chains.ChainletBase):
        def __init__(self, context: chains.DeploymentContext = chains.depends_context()) -> None:
            self._llm = LLM.from_url(service.url, context)

        async def run_remote(self, words: list[str]) -> list[str]:
            return await asyncio.gather(*(self._llm.run_remote(word) for word in words))

    with chains.run_local():
        poem = Poem()

    assert await poem.run_remote(["a", "b"]) == ["fine", "fine"]
    assert sorted(json.loads(body)["prompt"] for _, _, body in service.requests) == ["a", "b"]


async def test_a_subclass_may_have_an_init_with_arguments_of_its_own(service):
    class Chat(StubBase):
        def __init__(self, model: str) -> None:
            self._model = model

        async def run_remote(self, prompt: str) -> str:
            return await self.predict_async({"model": self._model, "prompt": prompt})

    assert await Chat.from_url(service.url, KEY, model="small").run_remote("hello") == "fine"
    assert json.loads(service.requests[0][2]) == {"model": "small", "prompt": "hello"}
    unbound = Chat("small")
    assert repr(unbound) == "<Chat at no address>"
    with pytest.raises(chains.ChainsRuntimeError, match=r"Write `Chat.from_url\(predict_url, context\)`"):
        await unbound.run_remote("hello")
