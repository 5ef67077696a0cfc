"""Speech to text for audio of any length: the flagship chain."""

from chainlets.chains.transcribe.chain import Transcribe
from chainlets.chains.transcribe.decode import Decode
from chainlets.chains.transcribe.vad import SpeechDetector
from chainlets.chains.transcribe.whisper import WhisperModel

__all__ = ["Decode", "SpeechDetector", "Transcribe", "WhisperModel"]
