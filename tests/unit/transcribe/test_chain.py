import asyncio
import json
import subprocess
import sys

import pytest

import chainlets as chains
from chainlets import streaming
from chainlets.chains.transcribe import Transcribe
from chainlets.chains.transcribe.types import DECODING, Decoded, Heard, Part, Plan, Segment
from chainlets.context import current_call

SECOND = 16_000
AUDIO = chains.File(id="audio")


class Said:
    """Remembers what a call said while it worked."""

    def __init__(self) -> None:
        self.partials, self.warnings, self.steps = [], [], []

    def emit(self, data):
        self.partials.append(json.loads(json.dumps(data)))

    def progress(self, done, total, message):
        self.steps.append((done, total, message))

    def warn(self, message):
        self.warnings.append(message)

    def kind(self, kind):
        return [partial for partial in self.partials if partial["kind"] == kind]


class Decode:
    def __init__(self, *, seconds: int = 60, warnings: list[str] | None = None) -> None:
        self._seconds, self._warnings = seconds, warnings or []

    async def run_remote(self, audio):
        assert audio == AUDIO
        out, samples = streaming.stream_writer(DECODING), self._seconds * SECOND
        yield out.yield_item(Part(pcm=chains.File(id="pcm"), first=0, samples=samples))
        decoded = Decoded(
            samples=samples,
            peaks=chains.File(id="peaks"),
            peaks_per_second=50.0,
            warnings=self._warnings,
        )
        yield out.yield_footer(decoded)
        yield out.yield_end()


class Split:
    def __init__(self, *pieces: tuple[int, int]) -> None:
        self._pieces = [[(first * SECOND, last * SECOND)] for first, last in pieces]

    async def run_remote(self, _pcm, samples):
        return Plan(pieces=self._pieces, speech=samples)


class Whisper:
    """Says the second at which a piece starts; later pieces are heard sooner."""

    def __init__(self, *, languages: dict[str, float] | None = None, failing: bool = False) -> None:
        self._languages, self._failing = languages or {"en": 1.0}, failing
        self.asked: list[tuple[str, str]] = []
        self.under_way = self.most_under_way = 0

    async def run_remote(self, _pcm, spans, language="en", task="transcribe", **_options):
        self.asked.append((task, language))
        if task == "language":
            return Heard(model="base", multilingual=True, languages=self._languages)
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        start, end = (edge / SECOND for edge in spans[0])
        await asyncio.sleep(0.02 / (1 + start))
        self.under_way -= 1
        if self._failing:
            raise chains.InputRejected("Nothing to hear")
        return Heard(
            model="base", multilingual=True, segments=[Segment(start=start, end=end, text=f"{start:.0f}")]
        )


@pytest.fixture
def said():
    call = Said()
    token = current_call.set(call)
    yield call
    current_call.reset(token)


async def test_pieces_are_heard_together_and_joined_in_order(said):
    whisper = Whisper()
    chain = Transcribe(decode=Decode(), split=Split((0, 10), (20, 30), (40, 50)), whisper=whisper)

    transcript = await chain.run_remote(AUDIO)

    assert whisper.most_under_way == 3
    assert transcript.text == "0 20 40"
    assert transcript.duration == 60.0
    assert (transcript.language, transcript.model) == ("en", "base")


async def test_what_is_heard_first_is_shown_first(said):
    chain = Transcribe(decode=Decode(), split=Split((0, 10), (20, 30)), whisper=Whisper())

    await chain.run_remote(AUDIO)

    assert [partial["kind"] for partial in said.partials] == ["audio", "plan", "language", "piece", "piece"]
    assert said.kind("audio") == [
        {"kind": "audio", "duration": 60.0, "peaks": {"id": "peaks", "per_second": 50.0}}
    ]
    assert said.kind("plan") == [{"kind": "plan", "pieces": [[0.0, 10.0], [20.0, 30.0]]}]
    assert [piece["index"] for piece in said.kind("piece")] == [1, 0]
    assert said.kind("piece")[0]["segments"] == [
        {"start": 20.0, "end": 30.0, "text": "20", "confidence": None}
    ]
    assert said.steps == [
        (0.0, 60.0, "Transcribing"),
        (30.0, 60.0, "Transcribing"),
        (60.0, 60.0, "Transcribing"),
    ]


async def test_a_silent_file_is_an_answer_and_needs_no_model(said):
    whisper = Whisper()
    transcript = await Transcribe(decode=Decode(), split=Split(), whisper=whisper).run_remote(AUDIO)
    assert (transcript.text, transcript.segments) == ("", [])
    assert transcript.warnings == said.warnings == ["No speech was found."]
    assert whisper.asked == []
    assert said.steps[-1] == (60.0, 60.0, "Transcribing")


async def test_warnings_of_the_decoding_reach_the_transcript(said):
    chain = Transcribe(decode=Decode(warnings=["It is cut off."]), split=Split((0, 5)), whisper=Whisper())
    assert (await chain.run_remote(AUDIO)).warnings == said.warnings == ["It is cut off."]


async def test_the_language_is_found_out_once_and_kept_for_the_file(said):
    whisper = Whisper(languages={"de": 0.9, "nl": 0.1})
    pieces = [(at, at + 5) for at in range(0, 60, 10)]
    transcript = await Transcribe(decode=Decode(), split=Split(*pieces), whisper=whisper).run_remote(AUDIO)
    assert [task for task, _ in whisper.asked].count("language") == 4
    assert {language for task, language in whisper.asked if task == "transcribe"} == {"de"}
    assert (transcript.language, transcript.language_probability) == ("de", 0.9)
    assert said.kind("language") == [{"kind": "language", "language": "de", "probability": 0.9}]


async def test_a_language_that_is_hard_to_tell_is_said_to_be_a_guess(said):
    whisper = Whisper(languages={"de": 0.4, "nl": 0.3})
    transcript = await Transcribe(decode=Decode(), split=Split((0, 5)), whisper=whisper).run_remote(AUDIO)
    assert ["guess" in warning for warning in transcript.warnings] == [True]


async def test_a_given_language_is_not_asked_for():
    whisper = Whisper()
    await Transcribe(decode=Decode(), split=Split((0, 5)), whisper=whisper).run_remote(AUDIO, language="FR ")
    assert whisper.asked == [("transcribe", "fr")]


async def test_an_unknown_language_is_refused_before_any_work():
    chain = Transcribe(decode=None, split=None, whisper=None)
    with pytest.raises(chains.InputRejected, match="“klingon” is not a language"):
        await chain.run_remote(AUDIO, language="klingon")


async def test_an_error_of_one_piece_is_the_errors_own():
    chain = Transcribe(decode=Decode(), split=Split((0, 5), (6, 9)), whisper=Whisper(failing=True))
    with pytest.raises(chains.InputRejected, match="Nothing to hear"):
        await chain.run_remote(AUDIO)


def test_importing_the_chains_imports_nothing_heavy():
    code = (
        "import sys, chainlets.chains.transcribe, chainlets.chains.excerpt;"
        "print({'torch', 'ctranslate2', 'faster_whisper', 'onnxruntime', 'numpy', 'av', 'pydub'} & set(sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "set()\n"
    )
