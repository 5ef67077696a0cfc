"""The example chains do what their pages say, called plainly and through the engine."""

import importlib
import json
import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import chainlets as chains
from chainlets import testing
from chainlets.chains.fan_out import CountWords, FanOut, WordCount
from chainlets.chains.hello import Hello
from chainlets.chains.numbers import Numbers
from chainlets.chains.poems import EndpointRefused, Poem, Poems
from chainlets.chains.retrieval import Answer
from chainlets.chains.stream import Lines, Stream, Words
from chainlets.graph import chain_from, entrypoint_of

EXAMPLES = ("hello", "fan_out", "stream", "numbers", "retrieval", "poems")
TEXT = "the quick brown fox jumps over the lazy dog"


@pytest.fixture(params=[False, True], ids=["plain", "strict"])
def local(request):
    """Opens `run_local`, once plainly and once through the engine."""

    def open_block(**given):
        return chains.run_local(strict=request.param, **given)

    open_block.strict = request.param
    return open_block


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_named_like_its_folder_and_says_what_each_of_its_chainlets_does(name):
    chain = chain_from(entrypoint_of(importlib.import_module(f"chainlets.chains.{name}")))

    assert chain.name == name
    assert all(node.description.endswith(".") for node in chain.graph.nodes)


async def test_hello_greets_everybody_in_order(local):
    with local():
        assert await Hello().run_remote(["Ann", "Bob"], loud=True) == ["HELLO, ANN!", "HELLO, BOB!"]


async def test_fan_out_adds_up_what_it_counted_in_each_text(local):
    with local():
        found = await FanOut().run_remote(["The cat, the DOG", "don't let the dog in"], most=3)

    assert found == [
        WordCount(word="the", count=3),
        WordCount(word="dog", count=2),
        WordCount(word="cat", count=1),
    ]


async def test_fan_out_of_nothing_is_nothing(local):
    with local():
        assert await FanOut().run_remote([]) == []


async def test_fan_out_says_how_far_it_is():
    with testing.recorded_call() as call, chains.run_local():
        await FanOut().run_remote(["one", "two"])

    assert [(step.done, step.total) for step in call.progress] == [(1, 2), (2, 2)]


class Shaky(CountWords):
    """Fails the first time that it sees a text."""

    seen: list[str] = []  # noqa: RUF012 (shared by all replicas on purpose)

    async def run_remote(self, text: str) -> dict[str, int]:
        self.seen.append(text)
        if self.seen.count(text) == 1:
            raise ConnectionError("the line is bad")
        return await super().run_remote(text)


class ShakyFanOut(FanOut):
    """Counts by `Shaky`."""

    def __init__(self, count: Shaky = chains.depends(Shaky, retries=3)) -> None:
        super().__init__(count)


async def test_fan_out_survives_a_step_that_fails_now_and_then():
    Shaky.seen.clear()
    with testing.no_retry_pauses(), chains.run_local(strict=True):
        found = await ShakyFanOut().run_remote(["one", "two"])

    assert [each.word for each in found] == ["one", "two"]
    assert sorted(Shaky.seen) == ["one", "one", "two", "two"]


async def test_fan_out_does_not_try_again_what_it_cannot_use():
    Shaky.seen[:] = ["?!"]
    with (
        chains.run_local(strict=True),
        pytest.raises(chains.InputRejected, match="not a word in the text '\\?!'"),
    ):
        await ShakyFanOut().run_remote(["?!"])

    assert Shaky.seen == ["?!", "?!"]


async def test_stream_gives_numbered_lines_and_a_summary(local):
    with local():
        pieces = [piece async for piece in Stream().run_remote(TEXT, width=15, pause=0.0)]

    assert pieces == [
        "===============\n",
        "  1 the quick brown\n",
        "  2 fox jumps over\n",
        "  3 the lazy dog\n",
        "9 words in 3 lines\n",
    ]


async def test_stream_of_an_empty_text_has_no_lines(local):
    with local():
        pieces = [piece async for piece in Stream().run_remote("", width=3)]

    assert pieces == ["===\n", "0 words in 0 lines\n"]


class CountedWords(Words):
    """Remembers what it has said."""

    said: list[str] = []  # noqa: RUF012 (shared by all replicas on purpose)

    async def run_remote(self, text: str, pause: float) -> AsyncIterator[str]:
        async for word in super().run_remote(text, pause):
            self.said.append(word)
            yield word


class CountedLines(Lines):
    """Makes lines of them."""

    def __init__(self, words: CountedWords = chains.depends(CountedWords)) -> None:
        super().__init__(words)


class CountedStream(Stream):
    """Numbers those."""

    def __init__(self, lines: CountedLines = chains.depends(CountedLines)) -> None:
        super().__init__(lines)


async def test_stream_gives_a_line_while_later_words_are_still_unsaid(local):
    CountedWords.said.clear()
    with local():
        stream = CountedStream().run_remote(TEXT, width=15, pause=0.05)
        pieces = [await anext(stream), await anext(stream)]
        said = len(CountedWords.said)
        pieces += [piece async for piece in stream]

    assert pieces[1] == "  1 the quick brown\n"
    assert said < 9
    assert len(CountedWords.said) == 9


async def test_numbers_finds_the_tones_that_it_mixed(local):
    with local():
        assert await Numbers().run_remote([1000, 25, 440, 440], seconds=3) == [25, 440, 1000]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"hertz": []}, "one or more frequencies"),
        ({"hertz": [4000]}, "from 1 to 1000 hertz"),
        ({"hertz": [440], "seconds": 0}, "a length from 1 to 600 seconds"),
    ],
)
async def test_numbers_refuses_what_it_cannot_mix(local, given, sentence):
    with local(), pytest.raises(chains.InputRejected, match=sentence):
        await Numbers().run_remote(**given)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What is propolis?", "tree resin"),
        ("How long does a queen live?", "several years"),
        ("Why do beekeepers use smoke?", "fill up on honey"),
        ("How many eyes does a bee have?", "five eyes"),
        ("Why does a bee die when it stings?", "has barbs"),
        ("What do larvae eat that become queens?", "royal jelly"),
    ],
)
async def test_retrieval_answers_from_its_sentences_and_names_them(local, question, said):
    with local():
        reply = await Answer().run_remote(question)

    assert said in reply.answer
    assert said in reply.sources[0].text
    assert 1 <= len(reply.sources) <= 3
    assert [s.score for s in reply.sources] == sorted((s.score for s in reply.sources), reverse=True)


async def test_retrieval_searches_for_each_part_of_a_question(local):
    with local():
        reply = await Answer().run_remote("Who got the Nobel Prize? And what is propolis?", passages=2)

    assert {source.line for source in reply.sources} == {36, 40}


@pytest.mark.parametrize("question", ["How do I install PostgreSQL?", "Who won the cup in 1998?", "", "?"])
async def test_retrieval_says_when_it_does_not_know(local, question):
    with local():
        reply = await Answer().run_remote(question)

    assert reply.answer == "I do not know."
    assert reply.sources == []


class Model(ThreadingHTTPServer):
    """A server that talks like OpenAI's: answers with the next status, and with a poem if that is 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.requests: list[tuple[str, str, dict]] = []
        self.statuses: list[int] = []
        self.speechless = False
        self.together = threading.Barrier(1)

    @property
    def secrets(self) -> dict[str, str]:
        return {"llm_base_url": f"http://127.0.0.1:{self.server_port}/v1/", "llm_api_key": "k-123"}


class _Answer(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, self.headers["Authorization"], body))
        self.server.together.wait(10)
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        poem = body["messages"][0]["content"].removesuffix(" Answer with the poem alone.")
        message = {} if self.server.speechless else {"role": "assistant", "content": f"\n{poem}\n"}
        answer = {"choices": [{"message": message}]} if status == 200 else {"error": {"message": "no"}}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Model()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_poems_are_written_at_the_same_time_and_come_back_in_order(local, model):
    model.together = threading.Barrier(3)  # nobody is answered before all three have asked
    with local(secrets=model.secrets):
        poems = await Poems().run_remote("the sea", poems=3, model="tiny")

    assert poems == [
        Poem(form="haiku", text="Write a haiku about the sea."),
        Poem(form="limerick", text="Write a limerick about the sea."),
        Poem(form="couplet", text="Write a couplet about the sea."),
    ]
    assert {(path, key, body["model"]) for path, key, body in model.requests} == {
        ("/v1/chat/completions", "Bearer k-123", "tiny")
    }


async def test_poems_shows_each_poem_when_it_is_there(model):
    with testing.recorded_call() as call, chains.run_local(secrets=model.secrets):
        poems = await Poems().run_remote("the sea", poems=2)

    assert sorted(partial["form"] for partial in call.partials) == sorted(poem.form for poem in poems)
    assert call.progress[-1].done == call.progress[-1].total == 2


async def test_poems_asks_again_when_the_server_is_busy(model):
    model.statuses = [429, 503]
    with testing.no_retry_pauses(), chains.run_local(strict=True, secrets=model.secrets):
        poems = await Poems().run_remote("rain", poems=1)

    assert [poem.form for poem in poems] == ["haiku"]
    assert len(model.requests) == 3


async def test_poems_does_not_ask_again_when_the_server_refuses(model):
    model.statuses = [401]
    with (
        chains.run_local(strict=True, secrets=model.secrets),
        pytest.raises(EndpointRefused, match=r"/v1/chat/completions answered 401: .*no"),
    ):
        await Poems().run_remote("rain", poems=1)

    assert len(model.requests) == 1


async def test_poems_says_what_a_server_answered_that_is_no_text(local, model):
    model.speechless = True
    with (
        testing.no_retry_pauses(),
        local(secrets=model.secrets),
        pytest.raises(ValueError, match="answered without a text"),
    ):
        await Poems().run_remote("rain", poems=1)


@pytest.mark.parametrize("missing", ["llm_base_url", "llm_api_key"])
async def test_poems_names_the_secret_that_nobody_has_set(local, model, missing):
    secrets = {key: value for key, value in model.secrets.items() if key != missing}
    with (
        pytest.raises(chains.MissingDependencyError, match=f"`Poet` .*needs the secret '{missing}'"),
        local(secrets=secrets),
    ):
        await Poems().run_remote("rain")
