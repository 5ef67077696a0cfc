"""What is heard, and what was said there."""  # noqa: INP001 (of a command)

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

ROOT = Path(__file__).resolve().parent.parent.parent
NO_AUDIO = frozenset({".txt", ".json", ".md"})


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A file of audio, its length in seconds, and what is said in it, if anybody knows."""

    path: Path
    seconds: float
    said: str | None


def speech_dir() -> Path:
    """SPEECH_DIR: the folder with recordings whose texts are known."""
    return Path(os.environ.get("SPEECH_DIR") or ROOT.parent / "shared" / "speech")


def recordings(given: Sequence[Path], references: Path | None) -> list[Recording]:
    """What to compare on, in the order given.

    Args:
        given: files, or folders of them; none at all means everything in SPEECH_DIR whose text is known.
        references: JSON, see `texts`; a file without an entry may have a text file of its name beside it.
    """
    if not given:
        references = references or speech_dir() / "references.json"
        if not references.is_file():
            raise SystemExit(f"There is no {references}. Name recordings, or set SPEECH_DIR to their folder.")
        said = texts(references)
        paths = [speech_dir() / name for name in said]
    else:
        said = texts(references) if references else {}
        paths = [path for one in given for path in _files(one)]
    by_name = {Path(name).name: text for name, text in said.items()}
    return [
        Recording(seconds=_seconds(path), path=path.resolve(), said=_said(path, by_name)) for path in paths
    ]


def texts(path: Path) -> dict[str, str]:
    """What is said in each file, by the file's name.

    The JSON maps names to texts. It may also be as in SPEECH_DIR: entries, or lists of them, that hold
    `file` and `ref`.
    """
    found: dict[str, str] = {}
    content: dict[str, Any] = json.loads(path.read_text())
    for key, value in content.items():
        if isinstance(value, str):
            found[key] = value
            continue
        for entry in value if isinstance(value, list) else [value]:
            found[entry["file"]] = entry["ref"]
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.is_file() and file.suffix not in NO_AUDIO)


def _said(path: Path, by_name: dict[str, str]) -> str | None:
    beside = path.with_suffix(".txt")
    return by_name.get(path.name) or (beside.read_text() if beside.is_file() else None)


def _seconds(path: Path) -> float:
    try:
        with av.open(str(path)) as container:
            if container.duration:
                return container.duration / av.time_base
            return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    except (av.FFmpegError, OSError) as error:
        raise SystemExit(f"{path} cannot be read as audio: {error.strerror or error}") from error
