"""Cuts a stretch out of a recording and saves it as WAV, with pydub.

pydub holds what it works on in memory and would start FFmpeg on whatever it is given, so it gets
only the few minutes asked for, already decoded by the safe way.
"""

from __future__ import annotations

import math
from pathlib import Path, PurePath

import chainlets as chains
from chainlets.chains.transcribe.decode import decode_file
from chainlets.chains.transcribe.wording import clock

_RATE = 44_100  # samples a second: for ears, unlike what the model hears
_LONGEST = 600.0  # seconds
_SHORTEST = 0.05
_FADE = 15  # milliseconds; a cut through a sound clicks without


@chains.mark_entrypoint("excerpt")
class Excerpt(chains.ChainletBase):
    """Saves the part of a recording between two times, in seconds, as a WAV file."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(cpu_count=1, memory="1Gi"))

    async def run_remote(self, audio: chains.File, start: float, end: float) -> chains.File:
        """Cut from `start` to `end`, both in seconds, 10 minutes apart at most."""
        check_range(start, end)
        return await chains.offload(self._cut, audio, start, end)

    def _cut(self, audio: chains.File, start: float, end: float) -> chains.File:
        folder = chains.scratch_dir()
        pcm, wav = folder / "excerpt.pcm", folder / "excerpt.wav"

        def on_progress(done: float, _declared: float | None) -> None:
            chains.progress(min(done, end), end, "Decoding")

        sound = decode_file(
            audio.path(),
            pcm=pcm,
            peaks=folder / "peaks.json",
            rate=_RATE,
            span=(start, end),
            on_progress=on_progress,
            cancelled=chains.cancelled,
        )
        seconds = sound.heard / _RATE
        if sound.samples < _SHORTEST * _RATE:
            msg = f"The recording ends at {clock(seconds)}. Choose an excerpt that begins before that."
            raise chains.InputRejected(msg)
        if seconds < end - 1.0:
            chains.warn(f"The recording ends at {clock(seconds)}, so the excerpt ends there too.")
        _export(pcm, wav)
        name = f"{PurePath(audio.name).stem or 'recording'} {_label(start)}-{_label(min(end, seconds))}.wav"
        return chains.File.from_path(wav, name=name, media_type="audio/wav", keep=True)


def check_range(start: float, end: float) -> None:
    """Refuse a range that makes no sense, before anything is decoded.

    Raises:
        InputRejected: with what to do about it.
    """
    if not (math.isfinite(start) and math.isfinite(end)):
        msg = "Give the start and the end of the excerpt in seconds."
    elif start < 0:
        msg = "The excerpt cannot begin before the recording does. Give a start of 0 or more."
    elif end - start < _SHORTEST:
        msg = "The excerpt must end after it begins."
    elif end - start > _LONGEST:
        msg = f"An excerpt may be {clock(_LONGEST)} long at most. Choose a shorter one."
    else:
        return
    raise chains.InputRejected(msg)


def _export(pcm: Path, wav: Path) -> None:
    from pydub import AudioSegment

    segment = AudioSegment(data=pcm.read_bytes(), sample_width=2, frame_rate=_RATE, channels=1)
    fade = min(_FADE, len(segment) // 2)
    segment.fade_in(fade).fade_out(fade).export(wav, format="wav").close()


def _label(seconds: float) -> str:
    """A time that can be part of a file's name."""
    return clock(seconds).replace(":", ".")
