"""The words that `python -m chainlets` understands, and how each of its commands ends."""

from __future__ import annotations

import argparse
import atexit
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from chainlets.commands import begin, check, draw, execute
from chainlets.commands.refused import ReaderGone, Refused
from chainlets.errors import ChainsUsageError

_INTERRUPTED = 130
_ENDS = "It ends with 0 if all went well, 1 if the chain failed, 2 if it could not start, 130 after Ctrl-C."
_TARGET = "a file that defines a chain, or the name of a chain that comes with Chainlets, such as `hello`"


def main(words: Sequence[str] | None = None) -> int:
    """Carry out a command.

    Args:
        words: what stands behind `python -m chainlets`; by default what was typed.

    Returns:
        The exit status: 0 done, 1 failed or found wrong, 2 not carried out, 130 interrupted.
    """
    options = _parser().parse_args(words)
    try:
        status: int = options.command(options)
    except (Refused, ChainsUsageError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return _INTERRUPTED
    except ReaderGone:
        # What is still buffered would fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def leave(status: int) -> NoReturn:
    """End the process; after Ctrl-C at once, without waiting for threads in which the chain still works."""
    if status == _INTERRUPTED:
        atexit._run_exitfuncs()  # noqa: SLF001 (removes temporary folders)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chainlets", description="Run, draw, check and begin chains, without a server."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser(
        "run",
        help="run a chain in this process and print what it returns",
        description="Run a chain in this process. What it returns is printed as JSON, a stream piece by piece; "
        "progress, partial results, warnings and log lines go to stderr.",
        epilog=_ENDS,
    )
    run.add_argument("target", metavar="FILE.py|CHAIN", help=_TARGET)
    run.add_argument(
        "--input",
        metavar="JSON",
        help='an object with a value for each argument, such as \'{"names": ["Ann"]}\'; @FILE reads it from a '
        "file, - from stdin. An argument that is a file is given as a path",
    )
    run.add_argument(
        "--strict",
        action="store_true",
        help="serialise, time and retry every call as real workers do, instead of calling plainly",
    )
    run.add_argument(
        "--secret",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a secret that chainlets ask for; may be given several times",
    )
    run.add_argument(
        "--data-dir",
        metavar="DIR",
        type=Path,
        help="where downloaded data is kept; chainlets see it as `data_dir`",
    )
    run.add_argument(
        "--entrypoint", metavar="NAME", help="the chainlet to begin with, if it is not the marked one"
    )
    run.set_defaults(command=execute.run)

    graph = commands.add_parser(
        "graph",
        help="draw which chainlet calls which",
        description="Print a chain as a Mermaid flowchart, which GitHub and many editors draw.",
    )
    graph.add_argument("target", metavar="FILE.py|CHAIN", help=_TARGET)
    graph.add_argument(
        "--json",
        action="store_true",
        help="print name, nodes, edges and the schemas of input and output instead",
    )
    graph.add_argument(
        "--entrypoint", metavar="NAME", help="the chainlet to begin with, if it is not the marked one"
    )
    graph.set_defaults(command=draw.graph)

    validate = commands.add_parser(
        "validate",
        help="tell everything that is wrong with chain files",
        description="Check chain files without running them, and print every fault, each on one line.",
        epilog="It ends with 1 if there is any fault, else with 0.",
    )
    validate.add_argument("targets", metavar="FILE.py", nargs="+", help="a file that defines a chain")
    validate.set_defaults(command=check.validate)

    init = commands.add_parser(
        "init",
        help="begin a new chain",
        description="Write NAME.py, a small chain that works, and test_NAME.py, its test. Nothing is overwritten.",
    )
    init.add_argument("name", metavar="NAME", help="what the chain is called, such as word_count")
    init.add_argument(
        "--folder", metavar="DIR", type=Path, default=Path(), help="where to write; made if it is not there"
    )
    init.set_defaults(command=begin.init)
    return parser
