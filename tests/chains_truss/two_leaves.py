"""Turns text into numbers by two chainlets that a caller knows as one Protocol."""

from typing import Protocol

import chainlets as chains


class Measure(Protocol):
    """What the caller needs to know."""

    def run_remote(self, text: str) -> int: ...


class Letters(chains.ChainletBase):
    """Counts letters."""

    def run_remote(self, text: str) -> int:
        return sum(letter.isalpha() for letter in text)


class Words(chains.ChainletBase):
    """Counts words."""

    def run_remote(self, text: str) -> int:
        return len(text.split())


class Estimate(chains.ChainletBase):
    """Takes whichever measure it is given."""

    def __init__(self, measure: Measure = chains.depends(Letters)) -> None:
        self._measure = measure

    def run_remote(self, text: str) -> int:
        return self._measure.run_remote(text)


@chains.mark_entrypoint("truss-two-leaves")
class Compare(chains.ChainletBase):
    """Asks both, and one of them again through another chainlet."""

    def __init__(
        self,
        letters: Measure = chains.depends(Letters),
        words: Measure = chains.depends(Words, retries=2),
        estimate=chains.depends(Estimate),
    ) -> None:
        self._measures = {"letters": letters, "words": words, "estimate": estimate}

    def run_remote(self, texts: list[str]) -> dict[str, list[int]]:
        return {
            name: [measure.run_remote(text) for text in texts] for name, measure in self._measures.items()
        }
