"""Names that strangers give their files: shown and sent back, never part of a path."""

import mimetypes
import unicodedata
from pathlib import PurePosixPath

MAX_LENGTH = 200  # characters
_FALLBACK = "untitled"
_KINDS = ("audio/", "video/")
_JOINER = "\u200d"  # holds composed emoji together


def clean_name(name: str) -> str:
    """The last part of the name without control and direction characters, at most 200 characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(sign for sign in last if unicodedata.category(sign)[0] != "C" or sign == _JOINER)
    shown = " ".join(shown.split())
    if shown in {"", ".", ".."}:
        return _FALLBACK
    if len(shown) <= MAX_LENGTH:
        return shown
    ending = PurePosixPath(shown).suffix[:12]
    return shown[: MAX_LENGTH - len(ending)] + ending


def download_name(name: str, media_type: str) -> str:
    """The name for saving; an ending that promises something else than the content gets one that does not.

    `song.php` with MP3 inside becomes `song.php.mp3`.
    """
    shown = clean_name(name)
    if not media_type.startswith(_KINDS):
        return shown
    promised = mimetypes.guess_type(shown)[0] or ""
    if promised.startswith(_KINDS):
        return shown
    return shown + (_ENDINGS.get(media_type) or mimetypes.guess_extension(media_type) or ".bin")


_ENDINGS = {
    "audio/wav": ".wav",
    "audio/mpeg": ".mp3",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/mp4": ".m4a",
    "audio/webm": ".webm",
    "audio/aac": ".aac",
    "video/mp4": ".mp4",
    "video/x-matroska": ".mkv",
}
