import json

import pytest

from chainlets.chains.transcribe.captions import render
from chainlets.chains.transcribe.types import Segment, Transcript


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
    read = json.loads(render(TWO, "json"))
    assert read["segments"][0] == {"start": 0.0, "end": 2.5, "text": "Hello there.", "confidence": 0.9}
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
    assert "00:00:01,000 --> 00:00:01,001" in render(transcript((1.0, 1.0, "Oh.")), "srt")
