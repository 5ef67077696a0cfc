import random
from itertools import pairwise

import pytest

from chainlets.chains.transcribe.split import FRAME, Rules, cut_long, pack, speech_spans

SECOND = 16_000
RULES = Rules()


def probabilities(*stretches: tuple[float, int]) -> list[float]:
    """Each stretch is a probability and how many frames it holds."""
    return [probability for probability, frames in stretches for _ in range(frames)]


@pytest.mark.parametrize(
    ("stretches", "expected"),
    [
        ([(0.0, 100)], []),
        ([(0.9, 50)], [(0, 50)]),
        ([(0.1, 10), (0.9, 50), (0.1, 20)], [(10, 60)]),
        ([(0.9, 50), (0.1, 5), (0.9, 50)], [(0, 105)]),  # 160 ms are no pause
        ([(0.9, 50), (0.1, 10), (0.9, 50)], [(0, 50), (60, 110)]),
        ([(0.9, 50), (0.4, 30), (0.9, 50)], [(0, 130)]),  # unsure is not silent
        ([(0.4, 50)], []),  # but unsure begins nothing
        ([(0.1, 10), (0.9, 2), (0.1, 30)], []),  # a click
    ],
)
def test_speech_is_what_lies_between_pauses(stretches, expected):
    frames = probabilities(*stretches)
    spans, _ = speech_spans(frames, samples=len(frames) * FRAME)
    assert spans == [(first * FRAME, last * FRAME) for first, last in expected]


def test_speech_ends_with_the_file_not_with_the_last_frame():
    assert speech_spans([0.9] * 10, samples=9 * FRAME + 7) == ([(0, 9 * FRAME + 7)], True)


def test_speech_that_was_cut_in_the_middle_goes_on_with_the_next_frames():
    spans, goes_on = speech_spans(
        [0.4] * 20 + [0.1] * 20, samples=100 * FRAME, first=50 * FRAME, speaking=True
    )
    assert (spans, goes_on) == ([(50 * FRAME, 70 * FRAME)], False)


def test_a_long_span_is_cut_where_it_is_quietest():
    frames = 30 * SECOND // FRAME
    loudness = [1.0] * frames
    quiet = 14 * SECOND // FRAME
    loudness[quiet - 3 : quiet + 4] = [0.0] * 7

    (first, cut), (again, last) = cut_long([(0, 30 * SECOND)], loudness)

    assert (first, last) == (0, 30 * SECOND)
    assert cut == again
    assert abs(cut - quiet * FRAME) <= FRAME


def test_no_cut_leaves_a_crumb():
    spans = cut_long([(0, 19 * SECOND)], [1.0] * (19 * SECOND // FRAME + 1))
    assert min(last - first for first, last in spans) >= 2 * SECOND


def test_close_sentences_share_a_piece_and_keep_their_silence():
    (piece,) = pack([(SECOND, 3 * SECOND), (int(3.5 * SECOND), 6 * SECOND)], samples=10 * SECOND)
    assert piece.spans == [(SECOND - RULES.edge, 6 * SECOND + RULES.edge)]


def test_a_long_silence_inside_a_piece_is_left_out():
    (piece,) = pack([(0, 2 * SECOND), (5 * SECOND, 7 * SECOND)], samples=7 * SECOND)
    assert piece.spans == [(0, 2 * SECOND + RULES.edge), (5 * SECOND - RULES.edge, 7 * SECOND)]
    assert piece.speech == [(0, 2 * SECOND), (5 * SECOND, 7 * SECOND)]


def test_silence_has_no_pieces():
    assert pack([], samples=60 * SECOND) == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_said_when_no_speech_is_lost_and_no_piece_is_too_long(seed):
    chance = random.Random(seed)
    frames: list[float] = []
    while len(frames) < 600 * SECOND // FRAME:
        frames += probabilities((0.95, chance.randrange(4, 900)), (0.05, chance.randrange(1, 200)))
    samples = len(frames) * FRAME
    loudness = [chance.random() for _ in frames]
    spoken, _ = speech_spans(frames, samples=samples)

    pieces = pack(cut_long(spoken, loudness), samples=samples)

    spans = [span for piece in pieces for span in piece.spans]
    assert all(first < last for first, last in spans)
    assert all(first >= 0 and last <= samples for first, last in spans)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))
    assert all(piece.length <= RULES.longest for piece in pieces)
    for first, last in spoken:
        covered = sum(max(0, min(last, end) - max(first, start)) for start, end in spans)
        assert covered == last - first
