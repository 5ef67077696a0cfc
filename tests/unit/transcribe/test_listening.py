"""What is done about a window that was heard badly, with a model that says what the test wants."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from chainlets.chains.transcribe.listening import Window, listen
from chainlets.chains.transcribe.quality import Take
from chainlets.chains.transcribe.spelling import TimedWord

GOOD = "And so, my fellow Americans, ask not what your country can do for you."
LOOP = "you you you you you you you you you"


def take(text: str, *, sure: float = -0.2, no_speech: float = 0.0) -> Take:
    return Take(text=text, tokens=(), log_probability=sure, no_speech=no_speech, heard_until=5.0)


class Ear:
    """Hears what `says` gives for each effort; its words follow each other over all of the window."""

    multilingual = True

    def __init__(self, says: Callable[..., Take], *, until: float = 1.0) -> None:
        self._says, self._until = says, until  # until: the share of a window that words cover
        self.efforts: list[tuple[int, float]] = []

    def encoded(self, sound, *, quiet):
        return np.zeros((int(len(sound) / 320 + quiet * 50), 8), np.float32)

    def languages(self, _encoded):
        return {"de": 0.8, "nl": 0.2}

    def hear(self, windows, requests, *, effort):
        self.efforts += [(effort.beams, effort.temperature)] * len(windows)
        return [self._says(effort, request) for request in requests]

    def words(self, _windows, takes, requests):
        found = []
        for one, request in zip(takes, requests, strict=True):
            texts = one.text.split()
            step = request.seconds * self._until / max(len(texts), 1)
            found.append(
                [
                    TimedWord(start=at * step, end=(at + 1) * step, text=f" {text}", confidence=0.9)
                    for at, text in enumerate(texts)
                ]
            )
        return found

    def phrases(self, one, *, length):
        return [TimedWord(start=0.0, end=length, text=one.text)]


def window(**options) -> Window:
    return Window(sound=np.zeros(80_000, np.float32), speech=[(0.0, 5.0)], **({"language": "en"} | options))


def text_of(heard) -> str:
    return "".join(word.text for word in heard.words).strip()


def test_what_is_heard_well_is_heard_once():
    ear = Ear(lambda _effort, _request: take(GOOD))
    (heard,) = listen(ear, [window()])
    assert (text_of(heard), heard.doubtful, ear.efforts) == (GOOD, False, [(1, 0.0)])
    assert heard.confidence == pytest.approx(0.819, abs=0.001)


def test_what_is_heard_badly_is_heard_again_with_more_beams_and_the_better_one_kept():
    ear = Ear(lambda effort, _request: take(LOOP if effort.beams == 1 else GOOD))
    heard = listen(ear, [window(), window()])
    assert [text_of(one) for one in heard] == [GOOD, GOOD]
    assert ear.efforts == [(1, 0.0), (1, 0.0), (5, 0.0), (5, 0.0)]


def test_a_second_try_that_is_worse_changes_nothing():
    ear = Ear(lambda effort, _request: take(GOOD, sure=-0.5 if effort.beams == 1 else -0.7))
    (heard,) = listen(ear, [window()])
    assert heard.confidence == pytest.approx(0.607, abs=0.001)


def loops(effort, _request=None) -> Take:
    """A loop that is another one with each effort."""
    return take(f"{LOOP} {effort.beams} {effort.quiet} {effort.temperature}")


def test_what_stays_bad_is_marked_and_not_dropped():
    ear = Ear(loops)
    (heard,) = listen(ear, [window()])
    assert heard.doubtful
    assert text_of(heard).startswith(LOOP)
    assert ear.efforts[-1] == (1, 0.4)  # it was left to chance in the end


def test_what_is_said_twice_is_believed():
    chorus = f"{GOOD} {GOOD}"
    twelve = Window(sound=np.zeros(192_000, np.float32), speech=[(0.0, 12.0)], language="en")
    (heard,) = listen(Ear(lambda _effort, _request: take(chorus)), [twelve])
    assert (text_of(heard), heard.doubtful) == (chorus, False)


def test_a_repetition_that_two_tries_agree_on_is_believed():
    ear = Ear(lambda _effort, _request: take(LOOP))
    (heard,) = listen(ear, [window()])
    assert (text_of(heard), heard.doubtful, ear.efforts) == (LOOP, False, [(1, 0.0), (5, 0.0)])


def test_one_bad_window_costs_the_others_nothing():
    ear = Ear(lambda effort, request: loops(effort) if request.seconds < 4 else take(GOOD))
    bad = Window(sound=np.zeros(48_000, np.float32), speech=[(0.0, 3.0)], language="en")
    heard = listen(ear, [window(), bad])
    assert [one.doubtful for one in heard] == [False, True]
    assert len(ear.efforts) == 2 + 1 + 2


def test_where_the_model_thinks_that_nobody_speaks_nothing_is_written():
    ear = Ear(lambda _effort, _request: take("Thank you.", sure=-1.5, no_speech=0.9))
    (heard,) = listen(ear, [window()])
    assert heard.words == []


def test_speech_without_words_is_heard_again_by_itself():
    rest = "Ask what you can do."
    ear = Ear(lambda _effort, request: take(GOOD if request.seconds == 5.0 else rest), until=0.5)
    (heard,) = listen(ear, [window()])
    assert text_of(heard) == f"{GOOD} {rest}"
    assert all(2.0 < word.start < word.end <= 5.0 for word in heard.words[-5:])
    assert all(earlier.end <= later.start + 1e-9 for earlier, later in pairwise(heard.words))


def test_a_hole_that_brings_the_same_words_again_stays_a_hole():
    ear = Ear(lambda _effort, _request: take(GOOD), until=0.5)
    (heard,) = listen(ear, [window()])
    assert text_of(heard) == GOOD


def test_nobody_listens_again_for_a_run_that_is_cancelled():
    ear = Ear(lambda _effort, _request: take(LOOP))
    listen(ear, [window(wanted=lambda: False)])
    assert ear.efforts == [(1, 0.0)]


def test_the_language_is_told_if_it_was_left_open():
    ear = Ear(lambda _effort, request: take(f"{GOOD} {request.language}"))
    opened, given = listen(ear, [window(language=None), window(language="fr")])
    assert (opened.languages, text_of(opened)[-2:]) == ({"de": 0.8, "nl": 0.2}, "de")
    assert (given.languages, text_of(given)[-2:]) == ({}, "fr")


def test_the_best_quality_begins_with_five_beams():
    ear = Ear(lambda _effort, _request: take(GOOD))
    listen(ear, [window(quality="best"), window(quality="fast")])
    assert sorted(ear.efforts) == [(1, 0.0), (5, 0.0)]


def test_without_word_times_there_are_phrases():
    ear = Ear(lambda _effort, _request: take(GOOD))
    (heard,) = listen(ear, [window(word_times=False)])
    assert [word.text for word in heard.words] == [GOOD]
