"""What `import chainlets` and a first chainlet cost, against Pydantic, which every author of a chain pays for.

    python benchmarks/import_cost.py [--pairs 15]

Every figure is CPU time of a fresh interpreter, so that other work on the machine weighs little. The
two sides take turns, and the ratio is the median over pairs. The last line is one JSON object.
"""  # noqa: INP001 (a command, not a package)

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FEWEST_PAIRS = 15
ONE_CHAINLET = """
import chainlets as chains
from chainlets.describe import describe

class Greet(chains.ChainletBase):
    async def run_remote(self, name: str, times: int = 1) -> list[str]:
        return [name] * times

describe(Greet)
"""
ONE_MODEL = """
from pydantic import BaseModel

class Greet(BaseModel):
    name: str
    times: int = 1
"""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two sources, each run in an interpreter of its own.

    Attributes:
        from_start: CPU time counts from the start of the interpreter, not from that of the source.
    """

    what: str
    ours: str
    theirs: str
    from_start: bool = False


IMPORT = Comparison(
    what="`import chainlets` against `import pydantic`", ours="import chainlets", theirs="import pydantic"
)
EVERYTHING = Comparison(
    what="every public name of chainlets against `from pydantic import BaseModel`",
    ours="from chainlets import *",
    theirs="from pydantic import BaseModel",
)
DEFINE = Comparison(
    what="from the start of Python to a described chainlet, against a defined model",
    ours=ONE_CHAINLET,
    theirs=ONE_MODEL,
    from_start=True,
)


def cpu_seconds(source: str, *, from_start: bool) -> float:
    """CPU time that a fresh interpreter takes for a source."""
    begin = "0" if from_start else "time.process_time()"
    code = f"import time\nbegin = {begin}\n{source}\nprint(time.process_time() - begin)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout)


def ratio(comparison: Comparison, *, pairs: int) -> float:
    """The median ratio of ours to theirs; a line about it is printed."""
    sides = {"ours": comparison.ours, "theirs": comparison.theirs}
    for source in sides.values():
        cpu_seconds(source, from_start=comparison.from_start)  # writes the byte code, once
    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    for pair in range(pairs):
        for side in sorted(sides, reverse=pair % 2 == 1):
            taken[side].append(cpu_seconds(sides[side], from_start=comparison.from_start))
    ratios = [ours / theirs for ours, theirs in zip(taken["ours"], taken["theirs"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    ours, theirs = (1000 * statistics.median(times) for times in taken.values())
    sys.stdout.write(
        f"{middle:.2f} ({low:.2f} to {high:.2f})  {ours:.0f} ms : {theirs:.0f} ms  {comparison.what}\n"
    )
    sys.stdout.flush()
    return round(middle, 3)


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=FEWEST_PAIRS)
    pairs = max(parser.parse_args().pairs, FEWEST_PAIRS)
    imported = ratio(IMPORT, pairs=pairs)
    ratio(EVERYTHING, pairs=pairs)
    defined = ratio(DEFINE, pairs=pairs)
    result = {"import_vs_pydantic": imported, "define_vs_pydantic_model": defined}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
