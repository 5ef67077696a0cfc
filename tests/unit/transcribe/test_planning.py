import random
from itertools import pairwise

import pytest

from chainlets.chains.transcribe.planning import Planner
from chainlets.chains.transcribe.split import FRAME, cut_long, pack, speech_spans

SECOND = 16_000


def talk(seed: int, seconds: int) -> tuple[list[float], list[float]]:
    chance = random.Random(seed)
    frames: list[float] = []
    while len(frames) < seconds * SECOND // FRAME:
        frames += [0.95] * chance.randrange(4, 900) + [0.05] * chance.randrange(1, 200)
    return frames, [chance.random() for _ in frames]


def in_parts(frames, loudness, sizes):
    planner, given, at = Planner(), [], 0
    for size in sizes:
        given.append(planner.add(frames[at : at + size], loudness[at : at + size]))
        at += size
    return [*given, planner.finish(len(frames) * FRAME)]


@pytest.mark.parametrize("seed", range(20))
def test_no_speech_is_lost_or_planned_twice_however_the_audio_comes(seed):
    frames, loudness = talk(seed, 600)
    spoken, _ = speech_spans(frames, samples=len(frames) * FRAME)
    whole = cut_long(spoken, loudness)

    pieces = [
        piece
        for given in in_parts(frames, loudness, [300, 700, 1_000, 7_500, 7_500, 9_000])
        for piece in given
    ]

    planned = [span for piece in pieces for span in piece.speech]
    assert planned == sorted(planned)
    assert sum(last - first for first, last in planned) == sum(last - first for first, last in whole)
    spans = [span for piece in pieces for span in piece.spans]
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))


def test_pieces_are_given_out_long_before_the_end():
    frames, loudness = talk(1, 600)
    given = in_parts(frames, loudness, [1_900, 1_900, 40_000])
    assert given[0]
    assert given[1]


def test_all_at_once_is_planned_as_one():
    frames, loudness = talk(2, 300)
    samples = len(frames) * FRAME
    spoken, _ = speech_spans(frames, samples=samples)
    planner = Planner()
    sure = planner.add(frames, loudness)
    assert sure == pack(cut_long(spoken, loudness), samples=samples)[: len(sure)]


def test_one_who_never_pauses_is_cut_and_heard_all_the_same():
    frames = [0.95] * (120 * SECOND // FRAME)
    chance = random.Random(3)
    given = in_parts(frames, [chance.random() for _ in frames], [1_900, 1_850])
    pieces = [piece for some in given for piece in some]
    spans = [span for piece in pieces for span in piece.speech]
    assert given[0]
    assert (spans[0][0], spans[-1][1]) == (0, len(frames) * FRAME)
    assert all(earlier[1] == later[0] for earlier, later in pairwise(spans))


def test_silence_has_no_pieces():
    assert in_parts([0.0] * 1_000, [0.0] * 1_000, [500, 500]) == [[], [], []]
