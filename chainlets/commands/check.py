"""`validate`: everything that is wrong with chain files, without running them."""

from __future__ import annotations

import argparse
import sys

from chainlets.commands.refused import Refused
from chainlets.commands.target import open_chain
from chainlets.errors import ChainsUsageError
from chainlets.loading import without_effect


def validate(options: argparse.Namespace) -> int:
    """Print every fault of every file, each on one line; 1 if there is any."""
    status = 0
    for target in options.targets:
        try:
            chain = open_chain(target)
        except (Refused, ChainsUsageError) as error:
            status = 1
            faults = getattr(error, "faults", ()) or [error]
            sys.stdout.writelines(f"{_one_line(str(fault))}\n" for fault in faults)
            continue
        for sentence in without_effect(chain):
            sys.stderr.write(f"{target}: {sentence}\n")
        count = len(chain.chainlets)
        nouns = "chainlet" if count == 1 else "chainlets"
        sys.stdout.write(f"{target}: chain `{chain.name}`, {count} {nouns}, no faults.\n")
    return status


def _one_line(fault: str) -> str:
    """A fault without its example, which `run` shows."""
    return fault.partition("\n")[0].removesuffix(" Write, for example:")
