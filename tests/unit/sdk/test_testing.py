"""The fakes that authors test their chains with: each behaves as what it stands in for."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator

import pytest
from pydantic import BaseModel, ValidationError

import chainlets as chains
from chainlets import testing
from chainlets.remote import StubBase


class Person(BaseModel):
    name: str


class Words(chains.ChainletBase):
    """Awaited."""

    async def run_remote(self, person: Person, times: int = 2) -> list[str]:
        return [person.name] * times


class Count(chains.ChainletBase):
    """Called plainly."""

    def run_remote(self, words: list[str]) -> int:
        return len(words)


class Spell(chains.ChainletBase):
    """Iterated."""

    async def run_remote(self, word: str) -> AsyncIterator[str]:
        for letter in word:
            yield letter


class Echo(chains.ChainletBase):
    """Talks."""

    async def run_remote(self, websocket: chains.WebSocketProtocol) -> None:
        async for message in websocket.iter_text():
            if message == "fail":
                raise LookupError("told to")
            if message == "enough":
                return
            await websocket.send_text(f"{websocket.headers.get('name', '')}{message}")


class Top(chains.ChainletBase):
    """Calls all three."""

    def __init__(
        self,
        words: Words = chains.depends(Words),
        count: Count = chains.depends(Count),
        spell: Spell = chains.depends(Spell),
    ) -> None:
        self._words, self._count, self._spell = words, count, spell

    async def run_remote(self, name: str) -> str:
        words = await self._words.run_remote(Person(name=name))
        letters = [letter async for letter in self._spell.run_remote(words[0])]
        return f"{self._count.run_remote(words)} {'-'.join(letters)}"


def fakes(**changes):
    made = {
        "words": testing.FakeChainlet([["Bob", "Bob"]], like=Words),
        "count": testing.FakeChainlet(7, like=Count),
        "spell": testing.FakeChainlet(["B", "ob"], like=Spell),
    }
    return {**made, **changes}


async def test_fakes_take_the_place_of_dependencies_of_every_kind_and_remember_their_calls():
    made = fakes()

    assert await Top(**made).run_remote("Ann") == "7 B-ob"
    assert made["words"].calls[0].arguments == {"person": Person(name="Ann"), "times": 2}
    assert made["words"].calls[0].args == (Person(name="Ann"),)
    assert made["count"].calls == [
        testing.FakeCall(args=(["Bob", "Bob"],), kwargs={}, arguments={"words": ["Bob", "Bob"]})
    ]
    assert len(made["spell"].calls) == 1
    assert repr(made["words"]) == "<fake of `Words`, called 1 times>"


def test_fakes_take_part_in_local_runs_of_both_kinds():
    for strict in (False, True):
        made = fakes()
        with chains.run_local(strict=strict):
            assert asyncio.run(_called(Top(**made))) == "7 B-ob"
        assert len(made["words"].calls) == 1


async def _called(top):
    return await top.run_remote("Ann")


async def test_a_fake_answers_with_a_function_an_exception_or_one_thing_after_the_other():
    async def slowly(person):
        await asyncio.sleep(0)
        return [person.name.upper()]

    assert await testing.FakeChainlet(slowly, like=Words).run_remote(Person(name="Bo")) == ["BO"]
    assert testing.FakeChainlet(len, like="sync").run_remote("four") == 4
    failing = testing.FakeChainlet(LookupError("no"), like=Words)
    for _ in range(2):
        with pytest.raises(LookupError, match="no"):
            await failing.run_remote(Person(name="Bo"))

    in_turn = testing.FakeChainlet([1, TimeoutError, lambda word: word * 2])
    assert await in_turn.run_remote("a") == 1
    with pytest.raises(TimeoutError):
        await in_turn.run_remote("b")
    assert await in_turn.run_remote("c") == "cc"
    with pytest.raises(AssertionError, match="answers for 3 calls, and this is call 4"):
        in_turn.run_remote("d")


async def test_a_call_counts_when_it_is_made_and_may_be_gathered():
    fake = testing.FakeChainlet(lambda number: number * 2)

    calls = [fake.run_remote(number) for number in range(3)]

    assert [call.args for call in fake.calls] == [(0,), (1,), (2,)]
    assert await asyncio.gather(*calls) == [0, 2, 4]


async def test_a_streaming_fake_gives_pieces_from_a_list_a_generator_or_until_it_breaks():
    async def heard(fake, word="x"):
        return [piece async for piece in fake.run_remote(word)]

    async def later(word):
        for letter in word:
            yield letter

    assert await heard(testing.FakeChainlet(later, like=Spell), "ab") == ["a", "b"]
    assert await heard(testing.FakeChainlet(list, like="stream"), "ab") == ["a", "b"]
    assert await heard(testing.FakeChainlet("whole", like="stream")) == ["whole"]
    in_turn = testing.FakeChainlet([["a", "b"], []], like=Spell)
    assert [await heard(in_turn), await heard(in_turn)] == [["a", "b"], []]

    breaking = testing.FakeChainlet(["a", ConnectionError("cut")], like=Spell).run_remote("x")
    assert await anext(breaking) == "a"
    with pytest.raises(ConnectionError, match="cut"):
        await anext(breaking)


async def test_a_fake_is_as_strict_as_the_real_one_about_what_goes_in_and_out():
    fake = testing.FakeChainlet("no list", like=Words)

    with pytest.raises(ValidationError):
        fake.run_remote(Person(name="Bo"), times="many")
    with pytest.raises(TypeError, match="takes 2 arguments, and 3 were given"):
        fake.run_remote(1, 2, 3)
    assert fake.calls == []
    with pytest.raises(
        chains.ChainsUsageError, match="told to answer with a str, which the real one never returns"
    ):
        await fake.run_remote(Person(name="Bo"))
    with pytest.raises(chains.ChainsUsageError, match="yielded a int"):
        await anext(testing.FakeChainlet([1], like=Spell).run_remote("x"))
    with pytest.raises(chains.ChainsUsageError, match=r"testing.conversation\(Echo\(\)\)"):
        testing.FakeChainlet(like=Echo)


def test_a_fake_context_has_what_it_is_given_and_nothing_else(tmp_path):
    with testing.FakeService() as service:
        context = testing.fake_context(
            secrets={"token": "t"}, data_dir=tmp_path, environment="staging", services={"LLM": service.url}
        )
        assert context.get_service_descriptor("LLM").predict_url == service.url
    assert (context.secrets["token"], context.data_dir) == ("t", tmp_path)
    assert context.environment == chains.Environment(name="staging")
    with pytest.raises(chains.MissingDependencyError, match="'other'"):
        context.secrets["other"]
    empty = testing.fake_context()
    assert (len(empty.secrets), empty.data_dir, empty.environment, empty.chainlet_to_service) == (
        0,
        None,
        None,
        {},
    )


async def test_a_recorded_call_hears_everything_that_is_said_in_it():
    with testing.recorded_call(chainlet="Join", attempt=2) as call:
        chains.emit(Person(name="Ann"))
        chains.emit({"pair": (1, 2)})
        chains.progress(1, 2, "Joining")
        chains.log("half", level="debug", size=3)
        chains.warn("It is quiet.")
        assert (chains.info().chainlet, chains.info().attempt) == ("Join", 2)
        (chains.scratch_dir() / "draft").write_text("x")
        assert await chains.offload(chains.info) == call.info
        assert not chains.cancelled()
        call.cancel()
        assert chains.cancelled()

    assert call.partials == [{"name": "Ann"}, {"pair": [1, 2]}]
    assert call.progress == [testing.ProgressStep(done=1, total=2, message="Joining")]
    assert call.logs == [testing.LogLine(level="debug", message="half", fields={"size": 3})]
    assert call.warnings == ["It is quiet."]
    assert not call.scratch_dir.exists()
    assert chains.info() is None
    assert not chains.cancelled()


def test_what_no_history_can_keep_is_refused_while_recording():
    with testing.recorded_call(), pytest.raises(ValueError, match="Unable to serialize unknown type"):
        chains.emit({"thing": object()})


async def test_a_conversation_is_had_with_a_running_chainlet():
    async with testing.conversation(Echo(), headers={"name": "Ann: "}) as client:
        await client.send_text("hello")
        assert await client.receive_text() == "Ann: hello"
        await client.send_text("enough")
        with pytest.raises(chains.WebSocketDisconnect) as caught:
            await client.receive()
    assert caught.value.code == 1000
    assert client.ended == (1000, "")


async def test_what_a_chainlet_raises_in_a_conversation_is_raised_at_its_end():
    async def talk():
        async with testing.conversation(Echo()) as client:
            await client.send_text("fail")
            with pytest.raises(chains.WebSocketDisconnect) as caught:
                await client.receive()
            assert caught.value.code == 1011

    with pytest.raises(LookupError, match="told to"):
        await talk()


async def test_a_block_that_breaks_off_ends_the_chainlet_too_and_keeps_its_error():
    ended = []

    class Waits(chains.ChainletBase):
        async def run_remote(self, websocket: chains.WebSocketProtocol) -> None:
            try:
                await websocket.receive()
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

    async def talk():
        async with testing.conversation(Waits()):
            await asyncio.sleep(0)
            raise KeyError("the test's own")

    with pytest.raises(KeyError, match="the test's own"):
        await talk()
    assert ended == ["cancelled"]


async def test_a_conversation_can_be_prepared_and_read_afterwards():
    client = testing.FakeWebSocket()
    await client.send_text("a")
    await client.send_text("b")
    await client.close(1001, "bye")

    await Echo().run_remote(client.chainlet_side)

    assert client.unread() == ["a", "b"]
    assert client.unread() == []
    assert client.ended == (1001, "bye")


async def test_a_client_that_vanishes_is_noticed_and_is_no_failure():
    codes = []

    class Listens(chains.ChainletBase):
        async def run_remote(self, websocket: chains.WebSocketProtocol) -> None:
            try:
                await websocket.receive_text()
            except chains.WebSocketDisconnect as error:
                codes.append(error.code)
                raise

    client = testing.FakeWebSocket()
    client.vanish()
    await client.serve(Listens())
    assert codes == [1006]


def test_a_conversation_may_be_with_a_chainlet_on_another_thread():
    async def talk(echo):
        client = testing.FakeWebSocket()
        running = asyncio.create_task(echo.run_remote(client.chainlet_side))
        await client.send_text("hello")
        heard = await client.receive_text()
        await client.send_text("enough")
        with pytest.raises(chains.WebSocketDisconnect):
            await client.receive()
        await running
        return heard

    with chains.run_local(strict=True):
        assert asyncio.run(talk(Echo())) == "hello"


class Upper(chains.ChainletBase):
    """Writes a text in capitals."""

    async def run_remote(self, text: chains.File, kept: str = "yes") -> chains.File:
        draft = chains.scratch_dir() / "upper.txt"
        draft.write_bytes(text.path().read_bytes().upper())
        return chains.File.from_path(draft, name="upper.txt", keep=kept == "yes")


async def test_files_are_put_made_compared_by_content_and_gone_afterwards():
    with testing.MemoryFileStore() as files:
        result = await Upper().run_remote(files.put("hello", name="a.txt"))
        draft = await Upper().run_remote(files.put(b"hello"), kept="no")

        assert files.content(result) == b"HELLO"
        assert result == files.put(b"HELLO", name="upper.txt") == draft
        assert (result.media_type, result.size) == ("text/plain", 5)
        assert (files.kept, files.scratch) == ([result], [draft])
        path = result.path()
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        result.path()


def test_files_of_a_strict_run_lie_in_the_same_store():
    async def run(upper, text):
        return await upper.run_remote(text)

    with testing.MemoryFileStore() as files, chains.run_local(strict=True):
        result = asyncio.run(run(Upper(), files.put("hello")))

        assert files.content(result) == b"HELLO"
        assert files.kept == [result]


def test_a_strict_run_that_ends_in_the_middle_leaves_nothing_to_be_tried():
    async def give_up(patient):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(patient.run_remote(), 0.2)

    with chains.run_local(strict=True):
        asyncio.run(give_up(Patient()))
    time.sleep(0.6)  # the next attempt would be due; a thread that fails then is an error of this test


class LLM(StubBase):
    async def run_remote(self, prompt: str) -> str:
        return (await self.predict_async({"prompt": prompt}))["text"]


async def test_a_fake_service_answers_stubs_over_http_and_remembers_what_it_was_asked():
    with testing.FakeService(lambda inputs: {"text": inputs["prompt"] * 2}, key="k") as service:
        assert await LLM.from_url(service.url, "k").run_remote("ha") == "haha"
        with pytest.raises(chains.CallError, match="answered 403"):
            await LLM.from_url(service.url, "wrong").run_remote("ha")

    assert [request.inputs for request in service.requests] == [{"prompt": "ha"}, {"prompt": "ha"}]
    assert service.requests[0].headers["authorization"] == "Api-Key k"
    assert service.requests[0].path == "/predict"


async def test_a_fake_service_fails_first_and_then_answers_in_turn():
    options = chains.RPCOptions(retries=3)
    with testing.FakeService([{"text": "1"}, {"text": "2"}], fail=2, status=503) as service:
        llm = LLM.from_url(service.url, options=options)
        with testing.no_retry_pauses():
            assert [await llm.run_remote("a"), await llm.run_remote("b")] == ["1", "2"]

    assert len(service.requests) == 4


async def test_what_a_fake_service_raises_arrives_as_what_it_was():
    with testing.FakeService([LookupError("no such model"), chains.InputRejected("Too long.")]) as service:
        llm = LLM.from_url(service.url)
        with pytest.raises(LookupError, match="no such model"):
            await llm.run_remote("a")
        with pytest.raises(chains.InputRejected, match="Too long"):
            await llm.run_remote("b")


async def test_a_fake_service_streams_and_can_break_off():
    async def read(stub):
        return [piece async for piece in await stub.predict_async_stream({})]

    with testing.FakeService(["one", b"two", "drei ü"], stream=True) as service:
        assert b"".join(await read(LLM.from_url(service.url))) == "onetwodrei ü".encode()
    with (
        testing.FakeService(["one", ConnectionError("cut")], stream=True) as service,
        pytest.raises(chains.CallError, match="peer closed connection"),
    ):
        await read(LLM.from_url(service.url))


async def test_a_slow_fake_service_keeps_nobody_waiting_at_its_end():
    started = time.monotonic()
    with testing.FakeService({"text": "late"}, delay_s=60) as service:
        with pytest.raises(TimeoutError, match="Timeout calling remote Chainlet `LLM`"):
            await LLM.from_url(service.url, options=chains.RPCOptions(timeout_sec=0.2)).run_remote("a")
        assert len(service.requests) == 1
    assert time.monotonic() - started < 10


def test_random_failures_come_as_often_as_they_are_asked_for():
    random.seed(1)
    testing.random_fail(0.0, "never")
    with pytest.raises(testing.InjectedError, match="always"):
        testing.random_fail(1.0, "always")

    failed = 0
    for _ in range(1000):
        try:
            testing.random_fail(0.3, "now and then")
        except testing.InjectedError:
            failed += 1
    assert 200 < failed < 400
    with pytest.raises(ValueError, match=r"from 0\.0 to 1\.0, not 30"):
        testing.random_fail(30, "percent")


class Flaky(chains.ChainletBase):
    """Fails three times."""

    def __init__(self) -> None:
        self.tries = 0

    async def run_remote(self) -> int:
        self.tries += 1
        testing.random_fail(float(self.tries < 4), "not yet")
        return self.tries


class Patient(chains.ChainletBase):
    """Tries often."""

    def __init__(self, flaky: Flaky = chains.depends(Flaky, retries=4)) -> None:
        self._flaky = flaky

    async def run_remote(self) -> int:
        return await self._flaky.run_remote()


def test_strict_runs_try_again_without_pauses_if_they_are_told_to():
    started = time.monotonic()
    with testing.no_retry_pauses(), chains.run_local(strict=True):
        patient = Patient()

        async def run():
            return await patient.run_remote()

        assert asyncio.run(run()) == 4
    assert time.monotonic() - started < 1.7  # the shortest pauses would take 1.75 s


def test_every_name_of_the_door_is_there_once_and_in_order():
    assert testing.__all__ == sorted(set(testing.__all__))
    assert all(hasattr(testing, name) for name in testing.__all__)
