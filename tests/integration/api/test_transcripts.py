"""Transcripts for saving."""

import json

import pytest

from tests.integration.web import make_run

pytestmark = pytest.mark.django_db

OUTPUT = {
    "duration": 4.0,
    "language": "en",
    "language_probability": 0.9,
    "model": "tiny.en",
    "text": "Hello <img onerror=alert(1)>. =HYPERLINK(1)",
    "segments": [
        {"start": 0.0, "end": 1.5, "text": "Hello <img onerror=alert(1)>.", "confidence": 0.8},
        {"start": 2.0, "end": 3.0, "text": "=HYPERLINK(1)", "confidence": None},
    ],
    "warnings": [],
    "peaks": None,
}


@pytest.fixture
def run(alice):
    return make_run(alice, chain="transcribe", state="succeeded", output=OUTPUT, title='Board "May"\r\n.mp3')


@pytest.mark.parametrize(
    ("fmt", "kind", "part"),
    [
        ("txt", "text/plain", "Hello"),
        ("srt", "application/x-subrip", "00:00:00,000 --> 00:00:01,500"),
        ("vtt", "text/vtt", "WEBVTT"),
        ("json", "application/json", '"duration"'),
        ("tsv", "text/tab-separated-values", "0\t1500\t"),
    ],
)
def test_formats(api, run, fmt, kind, part):
    response = api.get(f"/api/runs/{run.id}/transcript.{fmt}")
    assert response.status_code == 200, response.content
    assert response["Content-Type"].startswith(kind)
    assert part in response.content.decode()
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "sandbox"


def test_words_do_not_become_markup_or_formulas(api, run):
    for fmt in ("srt", "vtt"):
        assert "<img" not in api.get(f"/api/runs/{run.id}/transcript.{fmt}").content.decode()
    table = api.get(f"/api/runs/{run.id}/transcript.tsv").content.decode()
    assert "\t=HYPERLINK" not in table
    written = json.loads(api.get(f"/api/runs/{run.id}/transcript.json").content)["segments"]
    unsaid = {"words": [], "speaker": None, "doubtful": False}
    assert written == [{**segment, **unsaid} for segment in OUTPUT["segments"]]


def test_subtitles_are_cut_where_words_say_so(api, alice):
    said = "This sentence is too long for two lines of a subtitle, so a second cue takes what is left of it."
    words = [
        {"start": at / 2, "end": at / 2 + 0.4, "text": text, "confidence": 0.9}
        for at, text in enumerate(said.split())
    ]
    segment = {"start": 0.0, "end": words[-1]["end"], "text": said, "words": words, "speaker": "Ann"}
    run = make_run(
        alice, chain="transcribe", state="succeeded", output={**OUTPUT, "duration": 20, "segments": [segment]}
    )
    written = api.get(f"/api/runs/{run.id}/transcript.vtt").content.decode()
    assert written == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:05.400\n<v Ann>This sentence is too long\nfor two lines of a subtitle,\n\n"
        "00:00:05.500 --> 00:00:10.400\n<v Ann>so a second cue takes what is left of it.\n"
    )


def test_a_download_is_named_after_the_run(api, run):
    response = api.get(f"/api/runs/{run.id}/transcript.srt?download=1")
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Content-Disposition"].endswith('.srt"')
    assert "\r" not in response["Content-Disposition"]


@pytest.mark.parametrize("state", ["queued", "running", "failed", "cancelled"])
def test_before_the_end_there_is_a_clear_answer(api, alice, state):
    run = make_run(alice, chain="transcribe", state=state)
    response = api.get(f"/api/runs/{run.id}/transcript.txt")
    assert (response.status_code, response.json()["code"]) == (409, "transcript_not_ready")


def test_other_chains_have_no_transcript(api, alice, run):
    other = make_run(alice, state="succeeded", output=["Hello"])
    assert api.get(f"/api/runs/{other.id}/transcript.txt").status_code == 404
    assert api.get(f"/api/runs/{run.id}/transcript.docx").status_code == 404
