"""`graph`: a chain as a drawing or as data."""

from __future__ import annotations

import argparse
import json
import sys

from chainlets.commands.target import open_chain
from chainlets.graph import Chain

_RESERVED = {"call", "class", "click", "default", "end", "graph", "href", "style", "subgraph"}


def graph(options: argparse.Namespace) -> int:
    """Print which chainlet calls which.

    Raises:
        Refused: there is no such chain.
        ChainsUsageError: its source is wrong.
    """
    chain = open_chain(options.target, entrypoint=options.entrypoint)
    drawing = json.dumps(_as_data(chain), ensure_ascii=False, indent=2) if options.json else mermaid(chain)
    sys.stdout.write(f"{drawing}\n")
    return 0


def mermaid(chain: Chain) -> str:
    """A chain as a Mermaid flowchart: the entrypoint first, each chainlet with its queue, arrows for calls."""
    drawn = chain.graph
    ids = {node.chainlet: _id(node.chainlet, place) for place, node in enumerate(drawn.nodes)}
    nodes = [f'    {ids[node.chainlet]}["{node.chainlet}<br/>{node.queue}"]' for node in drawn.nodes]
    edges = [f"    {ids[caller]} --> {ids[callee]}" for caller, callee in drawn.edges]
    return "\n".join(["flowchart TD", *nodes, *edges])


def _id(name: str, place: int) -> str:
    return name if name.isascii() and name.lower() not in _RESERVED else f"chainlet_{place}"


def _as_data(chain: Chain) -> dict[str, object]:
    return {
        "name": chain.name,
        **chain.graph.model_dump(mode="json"),
        "input_schema": chain.input_schema,
        "output_schema": chain.output_schema,
    }
