"""How hard to listen to each of several windows, and which of the tries to believe.

Everything is done for all windows of a batch at once: a first, cheap try; a second with more beams
where the first looks bad, on what the encoder made already; a third, with more quiet or by chance,
where nothing helped. Then speech that no word covers is listened to again by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp
from typing import TYPE_CHECKING, TypeAlias

from chainlets.chains.transcribe.ear import Ear, Effort, Request
from chainlets.chains.transcribe.holes import holes
from chainlets.chains.transcribe.quality import (
    Doubt,
    Take,
    doubts,
    is_made_up,
    is_silence,
    score,
    stays_doubtful,
    words_of,
)
from chainlets.chains.transcribe.spelling import TimedWord
from chainlets.chains.transcribe.types import SAMPLE_RATE, Quality, Task

if TYPE_CHECKING:
    import numpy as np

_SECOND_TRY = Effort(beams=5, thinned=False)
_THIRD_TRIES = (
    Effort(beams=5, quiet=2.0, stillness=500, thinned=False),
    Effort(beams=1, stillness=500, thinned=False, temperature=0.4),
)
_EDGE = 0.2  # seconds of sound kept around a hole
_HEARD_AGAIN = 1.2  # seconds; shorter holes are pauses


@dataclass(frozen=True, kw_only=True)
class _Level:
    """What a quality means: beams of the first try, and the log-probability below which there is a second."""

    beams: int
    sure: float


_LEVELS: dict[Quality, _Level] = {
    "fast": _Level(beams=1, sure=-0.6),
    "balanced": _Level(beams=1, sure=-0.45),
    "best": _Level(beams=5, sure=-0.45),
}


Asker: TypeAlias = Callable[[], bool]
"""Says whether a result is still wanted."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Sound to be heard as one, and how.

    Attributes:
        sound: shape (samples,), floats from -1 to 1, less than 28 s.
        speech: stretches with speech, in seconds of the window.
        language: code; None to find out from this window alone.
        task: write down or translate.
        prompt: words that may occur.
        quality: how hard to listen.
        temperature: above 0, words are drawn by chance from the first try on.
        word_times: whether words get their own times; else phrases do.
        wanted: asked before each costly step; False if nobody waits for the result any more.
    """

    sound: np.ndarray
    speech: Sequence[tuple[float, float]]
    language: str | None
    task: Task = "transcribe"
    prompt: str | None = None
    quality: Quality = "balanced"
    temperature: float = 0.0
    word_times: bool = True
    wanted: Asker = lambda: True

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.sound) / SAMPLE_RATE


@dataclass(kw_only=True)
class WindowHeard:
    """What was made of a window; times in its seconds.

    Attributes:
        words: with times, or phrases where words have none.
        languages: probability by code, if the language was asked for.
        confidence: of the whole, from 0 to 1.
        doubtful: it stayed bad after every try.
    """

    words: list[TimedWord] = field(default_factory=list)
    languages: dict[str, float] = field(default_factory=dict)
    confidence: float = 0.0
    doubtful: bool = False


@dataclass(kw_only=True)
class _Trial:
    """A window and the best try at it so far."""

    window: Window
    rows: np.ndarray
    request: Request
    take: Take
    found: frozenset[Doubt]
    confirmed: bool = False  # another try brought the same words

    @property
    def doubtful(self) -> bool:
        """Whether it may be wrong, as far as the tries so far tell."""
        return stays_doubtful(self.take, self.found, confirmed=self.confirmed, language=self.request.language)

    def consider(self, take: Take) -> None:
        """Keep the better of this try and the best before it."""
        found = _doubts(take, self.window, self.request)
        language = self.request.language
        same = words_of(take.text, language=language) == words_of(self.take.text, language=language)
        self.confirmed = self.confirmed or same
        if score(take, found) > score(self.take, self.found):
            self.take, self.found = take, found


def listen(ear: Ear, windows: Sequence[Window]) -> list[WindowHeard]:
    """Hear several windows; what is bad is tried again, what stays bad is marked."""
    heard = [WindowHeard() for _ in windows]
    rows = [ear.encoded(window.sound, quiet=Effort(beams=1).quiet) for window in windows]
    requests = []
    for window, row, answer in zip(windows, rows, heard, strict=True):
        language = window.language
        if language is None:
            answer.languages = ear.languages(row) if ear.multilingual else {"en": 1.0}
            language = max(answer.languages, key=lambda code: answer.languages[code])
        requests.append(
            Request(seconds=window.seconds, language=language, task=window.task, prompt=window.prompt)
        )
    trials = _first_tries(ear, windows, rows, requests)
    _second_tries(ear, trials)
    _third_tries(ear, trials)
    for trial, answer in zip(trials, heard, strict=True):
        answer.confidence = round(exp(min(0.0, trial.take.log_probability)), 3)
        answer.doubtful = trial.doubtful
    spoken = [index for index, trial in enumerate(trials) if not is_silence(trial.take)]
    for index, words in zip(spoken, _words(ear, [trials[index] for index in spoken]), strict=True):
        heard[index].words = words
    _fill_holes(ear, [(trials[index], heard[index]) for index in spoken])
    return heard


def _first_tries(
    ear: Ear, windows: Sequence[Window], rows: Sequence[np.ndarray], requests: Sequence[Request]
) -> list[_Trial]:
    takes: dict[int, Take] = {}
    efforts = [
        Effort(beams=_LEVELS[window.quality].beams, temperature=window.temperature) for window in windows
    ]
    for effort in dict.fromkeys(efforts):
        chosen = [index for index, asked in enumerate(efforts) if asked == effort]
        found = ear.hear([rows[i] for i in chosen], [requests[i] for i in chosen], effort=effort)
        takes.update(zip(chosen, found, strict=True))
    return [
        _Trial(
            window=window,
            rows=rows[index],
            request=requests[index],
            take=takes[index],
            found=_doubts(takes[index], window, requests[index]),
        )
        for index, window in enumerate(windows)
    ]


def _second_tries(ear: Ear, trials: Sequence[_Trial]) -> None:
    again = [
        trial
        for trial in trials
        if (trial.found or trial.take.log_probability < _LEVELS[trial.window.quality].sure)
        and (_LEVELS[trial.window.quality].beams < _SECOND_TRY.beams or trial.window.temperature)
        and trial.window.wanted()
    ]
    if again:
        takes = ear.hear([t.rows for t in again], [t.request for t in again], effort=_SECOND_TRY)
        for trial, take in zip(again, takes, strict=True):
            trial.consider(take)


def _third_tries(ear: Ear, trials: Sequence[_Trial]) -> None:
    for effort in _THIRD_TRIES:
        again = [
            trial
            for trial in trials
            if trial.doubtful and not is_silence(trial.take) and trial.window.wanted()
        ]
        if again:
            rows = [ear.encoded(trial.window.sound, quiet=effort.quiet) for trial in again]
            takes = ear.hear(rows, [trial.request for trial in again], effort=effort)
            for trial, take in zip(again, takes, strict=True):
                trial.consider(take)


def _words(ear: Ear, trials: Sequence[_Trial]) -> list[list[TimedWord]]:
    timed = [trial for trial in trials if trial.window.word_times]
    found = iter(ear.words([t.rows for t in timed], [t.take for t in timed], [t.request for t in timed]))
    return [
        next(found) if trial.window.word_times else ear.phrases(trial.take, length=trial.window.seconds)
        for trial in trials
    ]


def _fill_holes(ear: Ear, heard: Sequence[tuple[_Trial, WindowHeard]]) -> None:
    """Listen again to speech without words: most of what a model leaves out, it hears well by itself."""
    parts: list[tuple[_Trial, WindowHeard, tuple[float, float], Window]] = []
    for trial, answer in heard:
        window = trial.window
        for start, end in holes(answer.words, window.speech, shortest=_HEARD_AGAIN):
            first = max(0.0, start - _EDGE)
            sound = window.sound[round(first * SAMPLE_RATE) : round((end + _EDGE) * SAMPLE_RATE)]
            part = Window(
                sound=sound,
                speech=[(start - first, end - first)],
                language=trial.request.language,
                task=window.task,
                word_times=window.word_times,
            )
            parts.append((trial, answer, (start, end), part))
    parts = [part for part in parts if part[0].window.wanted()]
    if not parts:
        return
    rows = [ear.encoded(part.sound, quiet=1.0) for *_, part in parts]
    requests = [
        Request(seconds=part.seconds, language=trial.request.language, task=part.task)
        for trial, _, _, part in parts
    ]
    takes = ear.hear(rows, requests, effort=_SECOND_TRY)
    tries = [
        _Trial(window=part, rows=row, request=request, take=take, found=frozenset())
        for (*_, part), row, request, take in zip(parts, rows, requests, takes, strict=True)
    ]
    for (trial, answer, hole, _), retried, words in zip(parts, tries, _words(ear, tries), strict=True):
        if is_made_up(retried.take, before=trial.take.text, language=trial.request.language):
            continue
        first = max(0.0, hole[0] - _EDGE)
        moved = [
            _between(word, *(min(max(at + first, hole[0]), hole[1]) for at in (word.start, word.end)))
            for word in words
        ]
        if moved:
            answer.words = _inserted(answer.words, moved, hole=hole)


def _inserted(
    words: Sequence[TimedWord], more: Sequence[TimedWord], *, hole: tuple[float, float]
) -> list[TimedWord]:
    """Words put into the hole between others; one that reached into it ends or begins at it."""
    middle = sum(hole) / 2
    before = [word for word in words if word.start + word.end < 2 * middle]
    after = words[len(before) :]
    start, end = more[0].start, more[-1].end
    return [
        *(_between(word, word.start, max(word.start, min(word.end, start))) for word in before),
        *more,
        *(_between(word, max(word.start, end), max(word.end, end)) for word in after),
    ]


def _between(word: TimedWord, start: float, end: float) -> TimedWord:
    return TimedWord(start=start, end=end, text=word.text, confidence=word.confidence)


def _doubts(take: Take, window: Window, request: Request) -> frozenset[Doubt]:
    speech = sum(end - start for start, end in window.speech)
    ends = window.speech[-1][1] if window.speech else window.seconds
    found = doubts(take, speech=speech, speech_ends=ends, language=request.language)
    return found - {Doubt.TAIL} if window.word_times else found
