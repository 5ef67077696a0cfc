"""Keeps the files that a chain returns, when the temporary folder they were made in goes."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from chainlets.endpoint import JsonValue

_LOCAL = "file:"
_HANDLE = {"id", "name", "size", "media_type", "sha256"}


def keep_files(output: JsonValue) -> JsonValue:
    """The output with the files that its chain made moved to where they stay; each is told on stderr."""
    if isinstance(output, list):
        return [keep_files(item) for item in output]
    if not isinstance(output, dict):
        return output
    if output.keys() == _HANDLE and str(output["id"]).startswith(_LOCAL):
        return {**output, "id": f"{_LOCAL}{_keep(Path(output['id'].removeprefix(_LOCAL)), output['name'])}"}
    return {key: keep_files(value) for key, value in output.items()}


def _keep(path: Path, name: str) -> Path:
    if not path.is_relative_to(Path(tempfile.gettempdir()).resolve()):
        return path
    kept = Path(shutil.copy(path, tempfile.mkdtemp(prefix="chain-result-")))
    sys.stderr.write(f"file {name}: {kept}\n")
    return kept
