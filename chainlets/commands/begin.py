"""`init`: a new chain to begin with, and its test."""

from __future__ import annotations

import argparse
import keyword
import re
import shlex
import shutil
import sys
from pathlib import Path
from string import Template

from chainlets.commands.refused import Refused

_TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")  # no longer, so that the lines it stands in stay short


def init(options: argparse.Namespace) -> int:
    """Write a chain and its test, and say what to do next.

    Raises:
        Refused: the name cannot be one, or a file would be overwritten.
    """
    name, folder = options.name, options.folder
    _check_name(name)
    chain, test = folder / f"{name}.py", folder / f"test_{name}.py"
    for path in (chain, test):
        if path.exists():
            raise Refused(
                f"`{path}` is there already, and nothing is overwritten. Choose another name or folder."
            )
    words = _words(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, template in ((chain, "chain.txt"), (test, "test.txt")):
            with path.open("x", encoding="utf-8") as file:
                file.write(Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(words))
    except OSError as error:
        raise Refused(f"`{error.filename}` cannot be written: {error.strerror}.") from error
    sys.stdout.write(_next_steps(name, chain, test))
    return 0


def _next_steps(name: str, chain: Path, test: Path) -> str:
    names = '{"names": ["Ann", "Bob"]}'
    return (
        f"Wrote {chain} and {test}. Next, run it, and its test:\n"
        f"  {_python()} -m chainlets run {chain} --input '{names}'\n"
        f"  {_python()} -m pytest --import-mode=prepend {test}\n"
        f"To serve it, copy {chain} into the folder that CHAINS_DIR names, start `scripts/run`, and\n"
        f'POST {{"chain": "{name}", "input": {names}}} to /api/runs.\n'
    )


def _python() -> str:
    """This Python, as one would type it here."""
    executable = Path(sys.executable)
    if shutil.which("python") == str(executable):
        return "python"
    below = executable.is_relative_to(Path.cwd())
    return shlex.quote(str(executable.relative_to(Path.cwd()) if below else executable))


def _words(name: str) -> dict[str, str]:
    """What the templates leave open."""
    entrypoint = "".join(part.capitalize() for part in name.split("_"))
    leaf = "Greeter" if entrypoint != "Greeter" else "Speaker"
    return {
        "name": name,
        "Entrypoint": entrypoint,
        "Leaf": leaf,
        "both": ", ".join(sorted([entrypoint, leaf])),
    }


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Refused(
            f"`{name}` cannot be the name of a chain's file. Write up to 30 small letters, digits and `_`, "
            f"beginning with a letter, such as `word_count`."
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise Refused(f"`{name}` is a word of Python itself. Write another, such as `{name}_chain`.")
    if name in sys.stdlib_module_names or name == "chainlets":
        raise Refused(
            f"`{name}.py` would hide the module `{name}`. Write another name, such as `{name}_chain`."
        )
    if name == "conftest" or name.startswith("test_"):
        raise Refused(
            f"pytest would take `{name}.py` for its own. Write a name that does not begin with `test_`."
        )
