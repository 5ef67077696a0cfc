"""Plans the pieces of audio that is still being decoded. Pure.

Pieces that nothing to come can change are given out as soon as they are known, so the model has work
from the first seconds on. What is given out depends only on the frames, never on when they came.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainlets.chains.transcribe.split import FRAME, Rules, cut_long, pack, speech_spans
from chainlets.chains.transcribe.types import SAMPLE_RATE, Piece, Span

_FREE_CUT = 3 * SAMPLE_RATE // 2  # samples of silence after which a piece would end anyway


class Planner:
    """Takes frames in order, gives pieces in order."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        self._probabilities: list[float] = []
        self._loudness: list[float] = []
        self._settled = 0  # sample at which the frames kept here begin: all before it is planned
        self._speaking = False  # whether the last piece was cut in mid-speech
        self._last_end = 0  # of the speech given out
        self.levels = bytearray()  # loudness of every frame so far
        self.speech: list[Span] = []  # given out so far

    def add(self, probabilities: Sequence[float], loudness: Sequence[float]) -> list[Piece]:
        """Take the next frames.

        Args:
            probabilities: of speech, one a frame of `FRAME` samples.
            loudness: one a frame, in any unit that grows with it.

        Returns:
            pieces that are now certain.
        """
        self._probabilities += probabilities
        self._loudness += loudness
        self.levels += bytes(min(255, max(0, round(level))) for level in loudness)
        known = self._settled + len(self._probabilities) * FRAME
        pieces, open_ended = self._planned(known)
        # The last piece may grow. If speech goes on past what is known, so may the place of the cut before it.
        unsure = 2 if open_ended else 1
        if pieces and not open_ended and known - pieces[-1].speech[-1][1] >= _FREE_CUT:
            unsure = 0
        sure = pieces[: len(pieces) - unsure] if unsure else pieces
        if sure:
            self.speech += [span for piece in sure for span in piece.speech]
            self._settle(sure[-1].speech[-1][1], following=pieces[len(sure) :])
        return sure

    def finish(self, samples: int) -> list[Piece]:
        """All that is left, once the audio is known to have this many samples."""
        pieces = self._planned(samples)[0]
        self.speech += [span for piece in pieces for span in piece.speech]
        return pieces

    def _planned(self, samples: int) -> tuple[list[Piece], bool]:
        spans, open_ended = speech_spans(
            self._probabilities,
            samples=samples,
            first=self._settled,
            speaking=self._speaking,
            rules=self._rules,
        )
        cut = cut_long(spans, self._loudness, offset=self._settled, rules=self._rules)
        return pack(cut, samples=samples, before=self._last_end, rules=self._rules), open_ended

    def _settle(self, end: int, *, following: Sequence[Piece]) -> None:
        self._last_end = end
        self._speaking = bool(following) and following[0].speech[0][0] == end
        frames = (end - self._settled) // FRAME
        del self._probabilities[:frames], self._loudness[:frames]
        self._settled += frames * FRAME
