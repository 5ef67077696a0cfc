"""Writes a transcript in the forms people take away. Pure.

The words come from a stranger's recording by way of a model, so each form gets them in a way that
nothing which opens it would run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, assert_never

from chainlets.chains.transcribe.cues import Cue, cues_of, one_line
from chainlets.chains.transcribe.types import Segment, Transcript

Format: TypeAlias = Literal["txt", "srt", "vtt", "json", "tsv"]


def render(transcript: Transcript, fmt: Format) -> str:
    """The whole transcript as one text, ending in a newline.

    Args:
        transcript: what the chain answered.
        fmt: `txt` is one segment a line, `srt` and `vtt` are subtitles of two short lines at most;
            `tsv` has start and end in milliseconds and the text. Who speaks is named in `txt` and `srt`
            when it changes, in `vtt` with every cue, as its readers expect.
    """
    match fmt:
        case "txt":
            return _plain(transcript.segments)
        case "srt":
            return "\n".join(
                f"{number}\n{_cue_times(cue, point=',')}\n{_cue_text(cue)}\n"
                for number, cue in enumerate(_cues(transcript, labels=True), start=1)
            )
        case "vtt":
            cues = (
                f"\n{_cue_times(cue, point='.')}\n{_voice(cue.speaker)}{_cue_text(cue)}\n"
                for cue in _cues(transcript, labels=False)
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


def _cues(transcript: Transcript, *, labels: bool) -> list[Cue]:
    return cues_of(
        transcript.segments, language=transcript.language, duration=transcript.duration, labels=labels
    )


def _plain(segments: Sequence[Segment]) -> str:
    lines: list[str] = []
    before = ""
    for segment in segments:
        speaker = one_line(segment.speaker or "")
        label = f"{speaker}: " if speaker and speaker != before else ""
        lines.append(f"{label}{one_line(segment.text)}\n")
        before = speaker
    return "".join(lines)


def _cue_times(cue: Cue, *, point: str) -> str:
    return f"{_timestamp(cue.start, point)} --> {_timestamp(cue.end, point)}"


def _timestamp(milliseconds: int, point: str) -> str:
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{rest:03}"


def _cue_text(cue: Cue) -> str:
    return "\n".join(_escaped(line) for line in cue.lines)


def _voice(speaker: str | None) -> str:
    return f"<v {_escaped(speaker)}>" if speaker else ""


def _escaped(text: str) -> str:
    """Without tags, which players obey. Lines of a cue are never empty, which would end it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cell(text: str) -> str:
    """One cell of a table. Spreadsheets run what begins like a formula, so that gets a quote before it."""
    line = one_line(text)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line
