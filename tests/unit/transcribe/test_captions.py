import json

import pytest

from chainlets.chains.transcribe.captions import render
from chainlets.chains.transcribe.types import Segment, Transcript, Word


def transcript(*segments: tuple[float, float, str]) -> Transcript:
    listed = [Segment(start=start, end=end, text=text, confidence=0.9) for start, end, text in segments]
    return Transcript(
        duration=7300.0,
        language="en",
        language_probability=1.0,
        model="base",
        text=" ".join(segment.text for segment in listed),
        segments=listed,
        warnings=[],
    )


TWO = transcript((0.0, 2.5, "Hello there."), (7262.0406, 7263.9999, "Goodbye."))


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        ("txt", "Hello there.\nGoodbye.\n"),
        (
            "srt",
            "1\n00:00:00,000 --> 00:00:02,500\nHello there.\n\n2\n02:01:02,041 --> 02:01:04,000\nGoodbye.\n",
        ),
        (
            "vtt",
            "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nHello there.\n\n02:01:02.041 --> 02:01:04.000\nGoodbye.\n",
        ),
        ("tsv", "start\tend\ttext\n0\t2500\tHello there.\n7262041\t7264000\tGoodbye.\n"),
    ],
)
def test_each_form_is_written_as_its_readers_expect(fmt, expected):
    assert render(TWO, fmt) == expected


def test_json_holds_everything_but_the_servers_own_files():
    word = Word(start=0.0, end=0.5, text="Oh.", confidence=0.9)
    spoken = TWO.model_copy(
        update={"segments": [Segment(start=0.0, end=0.5, text="Oh.", words=[word], speaker="Ann")]}
    )
    read = json.loads(render(spoken, "json"))
    assert read["segments"] == [
        {
            "start": 0.0,
            "end": 0.5,
            "text": "Oh.",
            "confidence": None,
            "words": [{"start": 0.0, "end": 0.5, "text": "Oh.", "confidence": 0.9}],
            "speaker": "Ann",
            "doubtful": False,
        }
    ]
    assert "peaks" not in read


@pytest.mark.parametrize(
    ("fmt", "expected"), [("txt", ""), ("srt", ""), ("vtt", "WEBVTT\n"), ("tsv", "start\tend\ttext\n")]
)
def test_nothing_said_is_still_a_valid_file(fmt, expected):
    assert render(transcript(), fmt) == expected


@pytest.mark.parametrize("fmt", ["srt", "vtt"])
def test_captions_carry_no_tags_and_no_second_cue(fmt):
    hostile = transcript(
        (0, 1, "<img src=x onerror=alert(1)> & so on\n\n2\n00:00:00,000 --> 00:00:09,000\nfaked")
    )
    written = render(hostile, fmt)
    assert "<" not in written
    assert written.count("\n\n") == (1 if fmt == "vtt" else 0)
    assert written.count(" --> ") == 1


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@"])
def test_no_cell_of_a_table_is_a_formula(beginning):
    row = render(transcript((0, 1, f"{beginning}HYPERLINK('http://x')\tand more\n")), "tsv").splitlines()[1]
    assert row == f"0\t1000\t'{beginning}HYPERLINK('http://x') and more"


def test_a_cue_is_never_empty_in_time():
    assert "00:00:01,000 --> 00:00:01,800" in render(transcript((1.0, 1.0, "Oh.")), "srt")
    assert "00:00:01,000 --> 00:00:01,001" in render(transcript((1, 1, "Oh."), (1, 3, "No.")), "srt")


def spoken(*parts: tuple[str | None, str]) -> Transcript:
    segments = [
        Segment(start=at, end=at + 1, text=text, speaker=speaker) for at, (speaker, text) in enumerate(parts)
    ]
    return transcript().model_copy(update={"segments": segments, "duration": float(len(parts))})


TALK = spoken(("Ann", "Hello."), ("Ann", "How are you?"), ("Bo <b>\n&", "Fine."), (None, "Ah."))


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        ("txt", ["Ann: Hello.", "How are you?", "Bo <b> &: Fine.", "Ah."]),
        ("srt", ["Ann: Hello.", "How are you?", "Bo &lt;b&gt; &amp;: Fine.", "Ah."]),
        (
            "vtt",
            ["<v Ann>Hello.", "<v Ann>How are you?", "<v Bo &lt;b&gt; &amp;>Fine.", "Ah."],
        ),
    ],
)
def test_speakers_are_named_and_their_names_are_no_tags(fmt, expected):
    lines = render(TALK, fmt).splitlines()
    assert [line for line in lines if line and " --> " not in line and line[0] not in "W1234"] == expected
