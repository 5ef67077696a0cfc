import asyncio
import json
import subprocess
import sys
from base64 import b64encode

import pytest

import chainlets as chains
from chainlets import streaming
from chainlets.chains.transcribe import Transcribe
from chainlets.chains.transcribe.split import FRAME
from chainlets.chains.transcribe.types import DECODING, Decoded, Frames, Heard, Part, Word
from chainlets.context import current_call

SECOND = 16_000
PART = 300 * FRAME
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
    """Silence of any length, in parts of ten seconds."""

    def __init__(self, *, seconds: int = 60, warnings: list[str] | None = None) -> None:
        self._seconds, self._warnings = seconds, warnings or []

    async def run_remote(self, audio, start, end):
        assert audio == AUDIO
        self.asked = (start, end)
        out = streaming.stream_writer(DECODING)
        for first in range(0, self._seconds * SECOND, PART):
            samples = min(PART, self._seconds * SECOND - first)
            yield out.yield_item(Part(pcm=chains.File(id=f"pcm {first}"), first=first, samples=samples))
        yield out.yield_footer(
            Decoded(
                samples=self._seconds * SECOND,
                peaks=chains.File(id="peaks"),
                peaks_per_second=50.0,
                warnings=self._warnings,
            )
        )
        yield out.yield_end()


class Detector:
    """Finds speech at given seconds."""

    def __init__(self, *spoken: tuple[int, int]) -> None:
        self._spoken = spoken

    async def run_remote(self, part, before):
        assert (before is None) == (part.first == 0)
        frames = range(part.first, part.first + part.samples, FRAME)
        spoken = [any(first * SECOND <= at < last * SECOND for first, last in self._spoken) for at in frames]
        text = b64encode(bytes(255 * speaks for speaks in spoken)).decode()
        return Frames(speech=text, loudness=text)


class Whisper:
    """Says the second at which a piece starts; later pieces are heard sooner."""

    def __init__(self, *languages: dict[str, float], failing: bool = False) -> None:
        self._languages, self._failing = languages or ({"en": 1.0},), failing
        self.asked: list[str | None] = []
        self.options: dict[str, object] = {}
        self.under_way = self.most_under_way = 0

    async def run_remote(self, sound, piece, *, language, **options):
        self.asked.append(language)
        voter = len(self.asked) - 1
        self.options = options
        assert sound[0].first <= piece.spans[0][0]
        assert sound[-1].first + sound[-1].samples >= piece.spans[-1][1]
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        start, end = (edge / SECOND for edge in piece.speech[0])
        await asyncio.sleep(0.02 / (1 + start))
        self.under_way -= 1
        if self._failing:
            raise chains.InputRejected("Nothing to hear")
        heard = self._languages[voter % len(self._languages)] if language is None else {}
        said = f"{language or ''}{start:.0f}."
        return Heard(model="base", languages=heard, words=[Word(start=start, end=end, text=said)])


def chain(*spoken: tuple[int, int], whisper: Whisper | None = None, **decode) -> Transcribe:
    return Transcribe(decode=Decode(**decode), speech=Detector(*spoken), whisper=whisper or Whisper())


@pytest.fixture
def said():
    call = Said()
    token = current_call.set(call)
    yield call
    current_call.reset(token)


async def test_pieces_are_heard_together_and_joined_in_order(said):
    whisper = Whisper()
    transcript = await chain((0, 15), (20, 35), (40, 55), whisper=whisper).run_remote(AUDIO)
    assert whisper.most_under_way == 3
    assert transcript.text == "0. 20. 40."
    assert transcript.duration == 60.0
    assert (transcript.language, transcript.model) == ("en", "base")


async def test_what_is_heard_first_is_shown_first(said):
    await chain((0, 15), (20, 35)).run_remote(AUDIO)

    assert [partial["kind"] for partial in said.partials] == [
        "plan",
        "plan",
        "audio",
        "piece",
        "piece",
        "language",
    ]
    assert said.kind("audio") == [
        {"kind": "audio", "duration": 60.0, "peaks": {"id": "peaks", "per_second": 50.0}}
    ]
    assert [plan["first"] for plan in said.kind("plan")] == [0, 1]
    bounds = [bounds for plan in said.kind("plan") for bounds in plan["pieces"]]
    assert [[round(edge) for edge in pair] for pair in bounds] == [[0, 15], [20, 35]]
    assert [piece["index"] for piece in said.kind("piece")] == [1, 0]
    (segment,) = said.kind("piece")[0]["segments"]
    assert (round(segment["start"]), segment["text"]) == (20, "20.")
    assert [round(done) for done, _, _ in said.steps] == [30, 60]


async def test_pieces_are_heard_while_the_rest_is_still_being_decoded(said):
    await chain(*((at, at + 15) for at in range(0, 600, 20)), seconds=600).run_remote(AUDIO)
    kinds = [partial["kind"] for partial in said.partials]
    assert kinds.index("piece") < kinds.index("audio")


async def test_a_silent_file_is_an_answer_and_needs_no_model(said):
    whisper = Whisper()
    transcript = await chain(whisper=whisper).run_remote(AUDIO)
    assert (transcript.text, transcript.segments) == ("", [])
    assert transcript.warnings == said.warnings == ["No speech was found."]
    assert whisper.asked == []
    assert said.steps[-1] == (60.0, 60.0, "Transcribing")


async def test_warnings_of_the_decoding_reach_the_transcript(said):
    transcript = await chain((0, 5), warnings=["It is cut off."]).run_remote(AUDIO)
    assert transcript.warnings == said.warnings == ["It is cut off."]


async def test_the_language_is_found_out_from_the_first_pieces_and_kept_for_the_file(said):
    whisper = Whisper({"de": 0.9, "nl": 0.1})
    spoken = [(at, at + 15) for at in range(0, 200, 20)]
    transcript = await chain(*spoken, whisper=whisper, seconds=200).run_remote(AUDIO)
    assert whisper.asked.count(None) == 4
    assert whisper.asked.count("de") == 6
    assert (transcript.language, transcript.language_probability) == ("de", 0.9)
    assert said.kind("language") == [{"kind": "language", "language": "de", "probability": 0.9}]


async def test_a_piece_that_seemed_to_be_in_another_language_is_heard_again_in_that_of_the_file(said):
    whisper = Whisper({"cy": 0.6}, {"en": 0.9}, {"en": 0.9}, {"en": 0.9})
    spoken = [(at, at + 15) for at in range(0, 100, 20)]
    transcript = await chain(*spoken, whisper=whisper, seconds=100).run_remote(AUDIO)
    assert whisper.asked.count("en") == 2  # the one that misheard, and the fifth
    assert transcript.text == "en0. 20. 40. 60. en80."


async def test_in_a_mixed_recording_each_piece_keeps_its_own_language(said):
    whisper = Whisper({"de": 0.9}, {"en": 0.9})
    transcript = await chain((0, 15), (20, 35), whisper=whisper).run_remote(AUDIO, language="mixed")
    assert whisper.asked == [None, None]
    assert transcript.language in {"de", "en"}


async def test_a_language_that_is_hard_to_tell_is_said_to_be_a_guess(said):
    transcript = await chain((0, 5), whisper=Whisper({"de": 0.4, "nl": 0.3})).run_remote(AUDIO)
    assert ["guess" in warning for warning in transcript.warnings] == [True]


async def test_a_given_language_is_not_asked_for():
    whisper = Whisper()
    await chain((0, 5), whisper=whisper).run_remote(AUDIO, language="FR ")
    assert whisper.asked == ["fr"]


async def test_wishes_reach_the_model():
    whisper = Whisper()
    await chain((0, 5), whisper=whisper).run_remote(
        AUDIO, prompt=" Dear all, ", hotwords="Ada Lovelace", quality="best", temperature=0.2, model="base"
    )
    assert whisper.options == {
        "task": "transcribe",
        "prompt": "Ada Lovelace Dear all,",
        "model": "base",
        "quality": "best",
        "temperature": 0.2,
        "word_times": True,
    }


async def test_an_excerpt_is_told_in_times_of_the_recording(said):
    transcribe = chain((0, 15), (20, 35))
    transcript = await transcribe.run_remote(AUDIO, excerpt=(100.0, 160.0))
    assert transcribe._decode.asked == (100.0, 160.0)
    assert [round(segment.start) for segment in transcript.segments] == [100, 120]
    assert round(said.kind("plan")[0]["pieces"][0][0]) == 100


async def test_an_unknown_language_is_refused_before_any_work():
    transcribe = Transcribe(decode=None, speech=None, whisper=None)
    with pytest.raises(chains.InputRejected, match="“klingon” is not a language"):
        await transcribe.run_remote(AUDIO, language="klingon")


async def test_an_error_of_one_piece_is_the_errors_own():
    with pytest.raises(chains.InputRejected, match="Nothing to hear"):
        await chain((0, 15), (20, 35), whisper=Whisper(failing=True)).run_remote(AUDIO)


def test_importing_the_chains_imports_nothing_heavy():
    code = (
        "import sys, chainlets.chains.transcribe, chainlets.chains.excerpt;"
        "print({'torch', 'ctranslate2', 'faster_whisper', 'onnxruntime', 'numpy', 'av', 'pydub'} & set(sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "set()\n"
    )
