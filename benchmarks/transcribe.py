"""Transcription through the whole system against faster-whisper, with the same weights: how fast, and how right.

    python benchmarks/transcribe.py [AUDIO…] [--model base|tiny.en|FOLDER] [--rounds 3] [--references FILE.json]
                                    [--whisper-cpp BINARY --whisper-cpp-model FILE]

Without AUDIO, all of SPEECH_DIR (default: `../shared/speech` beside the checkout) whose text is known. What was
said may stand in FILE.json (file name → text) or in a `.txt` beside the audio; without, only speed and numbers of
words are compared. Every file is timed from lying on the disk to its whole text, by contenders that are warm:

    system       upload, run, events and transcript over HTTP, from a system as `manage.py up` starts it
    inprocess    the same chain in one process, by `run_local`
    default      faster-whisper as it comes, int8 (float16 on a GPU)
    batched      its BatchedInferencePipeline, batches of 8
    whisper.cpp  only if named: two threads, beam 1

They take turns, each round in another order. The last line is one JSON object; ratios above 1 say how many times
faster than a peer, or (`overhead_vs_inprocess`) slower than the chain alone. Errors are those of the last round.
"""  # noqa: INP001 (a command, not a package)

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from transcribe_peers.contenders import Child, Contender, Heard, System, WhisperCpp  # noqa: E402
from transcribe_peers.recordings import Recording, recordings  # noqa: E402
from transcribe_peers.scores import (  # noqa: E402
    first_text,
    median_seconds,
    overhead,
    score,
    times_longer,
)

from chainlets.chains.transcribe.weights import find_model  # noqa: E402

Results = dict[str, list[list[Heard]]]


def say(text: str) -> None:
    """Write a line for people."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def contenders(given: argparse.Namespace, folder: Path) -> list[Contender]:
    """All that take part, not started yet; each is given the same weights."""
    models = Path(os.environ.get("CHAINLETS_MODELS_DIR") or folder / "models").expanduser().resolve()
    name = str(Path(given.model).resolve()) if Path(given.model).is_dir() else given.model
    weights = find_model(name, folder=models)
    env = {"WHISPER_MODEL": name, "CHAINLETS_MODELS_DIR": str(models)}
    found: list[Contender] = [System(folder=folder, env=env)]
    found += [Child(peer, weights=weights, env=env) for peer in ("inprocess", "default", "batched")]
    if given.whisper_cpp:
        found.append(WhisperCpp(binary=given.whisper_cpp, model=given.whisper_cpp_model))
    return found


def measure(taking_part: Sequence[Contender], files: Sequence[Recording], rounds: int) -> Results:
    """What each contender made of each file, round by round."""
    shortest = min(files, key=lambda file: file.seconds)
    for one in taking_part:
        one.hear(shortest.path)
    heard: Results = {one.name: [] for one in taking_part}
    for number in range(rounds):
        first = number % len(taking_part)
        for one in (*taking_part[first:], *taking_part[:first]):
            heard[one.name].append([one.hear(file.path) for file in files])
        took = ", ".join(f"{name} {sum(h.seconds for h in of[-1]):.2f} s" for name, of in heard.items())
        say(f"round {number + 1} of {rounds}: {took}")
    return heard


def row(one: Contender, heard: Results, files: Sequence[Recording]) -> dict[str, Any]:
    """What is to be said of one contender."""
    rounds = heard[one.name]
    peak = one.peak_mb
    return {
        "seconds": round(median_seconds(rounds), 2),
        "system_is_faster": times_longer(rounds, heard["system"]),
        "peak_mb": round(peak) if peak is not None else None,
        **asdict(score(rounds, files)),
    }


def show(rows: dict[str, dict[str, Any]], audio: float) -> None:
    """A table for people."""
    say(
        f"\n{'':<12}{'seconds':>9}{'× real time':>13}{'system is':>11}{'WER %':>8}{'subst.':>8}"
        f"{'dropped':>9}{'inserted':>10}{'words':>8}{'peak MB':>9}"
    )
    for name, one in rows.items():
        cells = {key: "–" if value is None else value for key, value in one.items()}
        say(
            f"{name:<12}{cells['seconds']:>9}{audio / one['seconds']:>13.1f}{one['system_is_faster']:>9.2f} ×"
            f"{cells['wer']:>8}{cells['substituted']:>8}{cells['dropped']:>9}{cells['inserted']:>10}"
            f"{cells['words']:>8}{cells['peak_mb']:>9}"
        )
    for name, one in rows.items():
        if one["unsteady"]:
            say(f"{name}: the text of {one['unsteady']} files was not the same in all rounds.")
        if one["peak_mb"] is None:
            say(f"{name}: its memory can be read on Linux only.")
    if "whisper.cpp" not in rows:
        say("whisper.cpp was left out; --whisper-cpp and --whisper-cpp-model name it.")


def compare(given: argparse.Namespace) -> dict[str, Any]:
    """Start everybody, measure, show the table, and sum up."""
    files = recordings(given.audio, given.references)
    if not files:
        raise SystemExit("There is no recording to compare on.")
    audio = sum(file.seconds for file in files)
    say(f"{len(files)} files, {audio:.0f} s of audio, model {given.model}")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chainlets-benchmark-")))
        taking_part = contenders(given, folder)
        for one in taking_part:
            stack.enter_context(one)
        heard = measure(taking_part, files, given.rounds)
        rows = {one.name: row(one, heard, files) for one in taking_part}
    show(rows, audio)
    absent: dict[str, Any] = {}
    return {
        "speed_vs_default": rows["default"]["system_is_faster"],
        "speed_vs_batched": rows["batched"]["system_is_faster"],
        "speed_vs_whisper_cpp": rows.get("whisper.cpp", absent).get("system_is_faster"),
        "wer": rows["system"]["wer"],
        "wer_inprocess": rows["inprocess"]["wer"],
        "wer_default": rows["default"]["wer"],
        "wer_batched": rows["batched"]["wer"],
        "wer_whisper_cpp": rows.get("whisper.cpp", absent).get("wer"),
        "overhead_vs_inprocess": overhead(heard, files),
        "peak_mb": rows["system"]["peak_mb"],
        "first_text_s": first_text(heard["system"]),
        "inserted": rows["system"]["inserted"],
        "dropped": rows["system"]["dropped"],
        "audio_s": round(audio, 1),
        "model": given.model,
        "rounds": given.rounds,
        "files": len(files),
        "contenders": rows,
    }


def main() -> None:
    """Read the command, and end with one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("audio", nargs="*", type=Path, metavar="AUDIO", help="a file, or a folder of files")
    parser.add_argument("--model", default="base", help="base, tiny.en, or a folder with a model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--references", type=Path, help="JSON: what is said, by file name")
    parser.add_argument("--whisper-cpp", type=Path, help="the program whisper-cli")
    parser.add_argument("--whisper-cpp-model", type=Path, help="the same weights in its own format")
    given = parser.parse_args()
    if (given.whisper_cpp is None) != (given.whisper_cpp_model is None):
        parser.error("--whisper-cpp and --whisper-cpp-model go together")
    if given.rounds < 1:
        parser.error("--rounds is at least 1")
    sys.stdout.write(f"{json.dumps(compare(given))}\n")


if __name__ == "__main__":
    main()
