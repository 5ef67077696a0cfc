"""Writes a transcript in the forms people take away. Pure.

The words come from a stranger's recording by way of a model, so each form gets them in a way that
nothing which opens it would run.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, assert_never

from chainlets.chains.transcribe.types import Segment, Transcript

Format: TypeAlias = Literal["txt", "srt", "vtt", "json", "tsv"]

_SHORTEST = 0.001  # seconds: a cue that ends when it starts is not shown by some players


def render(transcript: Transcript, fmt: Format) -> str:
    """The whole transcript as one text, ending in a newline.

    Args:
        transcript: what the chain answered.
        fmt: `txt` is one phrase a line; `tsv` has start and end in milliseconds and the text.
    """
    match fmt:
        case "txt":
            return "".join(f"{_one_line(segment.text)}\n" for segment in transcript.segments)
        case "srt":
            return "\n".join(
                f"{number}\n{_cue_times(segment, point=',')}\n{_cue_text(segment.text)}\n"
                for number, segment in enumerate(transcript.segments, start=1)
            )
        case "vtt":
            cues = (
                f"\n{_cue_times(segment, point='.')}\n{_cue_text(segment.text)}\n"
                for segment in transcript.segments
            )
            return "".join(["WEBVTT\n", *cues])
        case "json":
            return transcript.model_dump_json(indent=2, exclude={"peaks"}) + "\n"
        case "tsv":
            rows = (
                f"{round(segment.start * 1000)}\t{round(segment.end * 1000)}\t{_cell(segment.text)}\n"
                for segment in transcript.segments
            )
            return "".join(["start\tend\ttext\n", *rows])
    assert_never(fmt)


def _cue_times(segment: Segment, *, point: str) -> str:
    end = max(segment.end, segment.start + _SHORTEST)
    return f"{_timestamp(segment.start, point)} --> {_timestamp(end, point)}"


def _timestamp(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{rest:03}"


def _cue_text(text: str) -> str:
    """Without line breaks, which would end the cue, and without tags, which players obey."""
    return _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cell(text: str) -> str:
    """One cell of a table. Spreadsheets run what begins like a formula, so that gets a quote before it."""
    line = _one_line(text)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def _one_line(text: str) -> str:
    return " ".join(text.split())
