"""Where to cut: from the probability of speech to pieces that the model hears one at a time.

Pure: everything here is counted in samples at `SAMPLE_RATE` or in frames of `FRAME` samples.
The pieces cover all speech. Cuts fall into silences, and only where somebody talks on for too long
into the quietest moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from chainlets.chains.transcribe.types import SAMPLE_RATE, Piece, Span

FRAME = 512
"""Samples for each probability of speech: 32 ms."""

_SECOND = SAMPLE_RATE
_QUIET = 7  # frames over which loudness is averaged to find a quiet moment: 224 ms


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How to cut, in samples unless said otherwise.

    Attributes:
        speech: a frame at or above this probability begins speech,
        silence: frames below this one may end it,
        pause: if they go on for this long.
        blip: speech shorter than this, alone, is a click and not a word.
        longest: no piece is longer than this.
        kept_gap: silences up to this are left as they are inside a piece; of longer ones
        edge: this much is kept on either side, because the model needs the sound's ends.
    """

    speech: float = 0.5
    silence: float = 0.35
    pause: int = _SECOND // 5
    blip: int = 3 * FRAME
    longest: int = 19 * _SECOND
    kept_gap: int = _SECOND
    edge: int = 3 * _SECOND // 10


def speech_spans(
    probabilities: Sequence[float],
    *,
    samples: int,
    first: int = 0,
    speaking: bool = False,
    rules: Rules = Rules(),
) -> tuple[list[Span], bool]:
    """Stretches in which somebody speaks, in order and apart from each other.

    Args:
        probabilities: of speech, one a frame.
        samples: length of the audio; the last frame may reach past it.
        first: the sample at which the first frame begins.
        speaking: whether somebody is in mid-speech there.
        rules: the thresholds.

    Returns:
        the stretches, and whether the last one may go on past the end.
    """
    spans: list[Span] = []
    start: int | None = first if speaking else None
    quiet_since: int | None = None
    for index, probability in enumerate(probabilities):
        position = first + index * FRAME
        if probability >= rules.speech:
            start = position if start is None else start
            quiet_since = None
        elif start is not None and probability < rules.silence:
            quiet_since = position if quiet_since is None else quiet_since
            if position - quiet_since >= rules.pause:
                spans.append((start, quiet_since))
                start = quiet_since = None
    if start is not None:
        spans.append((start, quiet_since or first + len(probabilities) * FRAME))
    within = [(begin, min(end, samples)) for begin, end in spans]
    return [span for span in within if span[1] - span[0] > rules.blip], start is not None


def cut_long(
    spans: Sequence[Span], loudness: Sequence[float], *, offset: int = 0, rules: Rules = Rules()
) -> list[Span]:
    """The same speech with no span longer than a piece may be, cut where it is quietest.

    Args:
        spans: as `speech_spans` gives them.
        loudness: one value a frame, in any unit that grows with it.
        offset: the sample at which the first of these frames begins.
        rules: the lengths.
    """
    longest = rules.longest - 2 * rules.edge
    cut: list[Span] = []
    for first, last in spans:
        start = first
        while last - start > longest:
            # Not before two fifths: a very short piece is heard worse than a long one. Not so late
            # that the rest would be a crumb.
            latest = min(start + longest, last - 2 * _SECOND)
            middle = offset + _quietest(loudness, start + longest * 2 // 5 - offset, latest - offset)
            cut.append((start, middle))
            start = middle
        cut.append((start, last))
    return cut


def pack(spans: Sequence[Span], *, samples: int, before: int = 0, rules: Rules = Rules()) -> list[Piece]:
    """Put neighbouring spans together into pieces that fill the model's window well.

    Each piece costs something, a cut in a short silence costs more than in a long one, and a short
    piece costs extra; the cheapest division of all is found. A piece's spans carry a little of the
    real silence around them.

    Args:
        spans: as `cut_long` gives them.
        samples: length of the audio.
        before: end of the speech that lies before the first span, 0 if there is none.
        rules: the lengths.

    Returns:
        pieces in order; the spans of a piece in order, never overlapping those of another.
    """
    if not spans:
        return []
    cheapest = [0.0] + [float("inf")] * len(spans)  # of the first n spans
    begins = [0] * (len(spans) + 1)  # the last piece of the first n begins with this span
    for end in range(1, len(spans) + 1):
        for begin in range(end - 1, -1, -1):
            length = _heard(spans[begin:end], rules)
            if length > rules.longest and begin < end - 1:
                break
            gap = spans[end][0] - spans[end - 1][1] if end < len(spans) else 2 * _SECOND
            cost = cheapest[begin] + _cost(length / _SECOND, gap_after=gap / _SECOND)
            if cost < cheapest[end]:
                cheapest[end], begins[end] = cost, begin
    bounds = [len(spans)]
    while bounds[-1]:
        bounds.append(begins[bounds[-1]])
    bounds.reverse()
    roomy = _with_edges(spans, samples=samples, before=before, rules=rules)
    return [
        Piece(spans=_joined(roomy[begin:end], rules), speech=list(spans[begin:end]))
        for begin, end in pairwise(bounds)
    ]


def _cost(length: float, *, gap_after: float) -> float:
    return 4.0 + 4.0 * max(0.0, 1.0 - gap_after / 1.5) + 0.3 * max(0.0, 8.0 - length)


def _heard(spans: Sequence[Span], rules: Rules) -> int:
    """Samples the model would hear of these spans as one piece."""
    gaps = (later[0] - earlier[1] for earlier, later in pairwise(spans))
    inside = sum(gap if gap <= rules.kept_gap else 2 * rules.edge for gap in gaps)
    return sum(last - first for first, last in spans) + inside + 2 * rules.edge


def _with_edges(spans: Sequence[Span], *, samples: int, before: int, rules: Rules) -> list[Span]:
    """Each span with real audio on both sides, at most half of the silence to its neighbour."""
    ends = [before, *(last for _, last in spans)]
    starts = [*(first for first, _ in spans), samples]
    roomy = []
    for index, (first, last) in enumerate(spans):
        gap_before = (
            first - ends[index] if index or before else 2 * first
        )  # nobody else wants the file's beginning
        gap_after = starts[index + 1] - last if index + 1 < len(spans) else 2 * (samples - last)
        roomy.append((first - min(rules.edge, gap_before // 2), last + min(rules.edge, gap_after // 2)))
    return roomy


def _joined(spans: Sequence[Span], rules: Rules) -> list[Span]:
    """Close the gaps that are short enough to be kept."""
    joined = [spans[0]]
    for first, last in spans[1:]:
        previous_first, previous_last = joined[-1]
        if first - previous_last <= rules.kept_gap - 2 * rules.edge:
            joined[-1] = (previous_first, last)
        else:
            joined.append((first, last))
    return joined


def _quietest(loudness: Sequence[float], earliest: int, latest: int) -> int:
    """The middle of the quietest short stretch between two samples."""
    first, last = earliest // FRAME, max(earliest // FRAME + 1, latest // FRAME - _QUIET)
    sums = [sum(loudness[frame : frame + _QUIET]) for frame in range(first, last)]
    return (first + sums.index(min(sums)) + _QUIET // 2) * FRAME
