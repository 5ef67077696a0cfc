"""Answers questions about bees from the sentences in `bees.txt`, and says which ones it used."""

import asyncio
import re
from pathlib import Path

from pydantic import BaseModel

import chainlets as chains

SENTENCES = chains.make_abs_path_here("bees.txt")  # one to a line
ENOUGH = 0.15  # similarity; what lies below has little more than letters in common with the question


class Passage(BaseModel):
    """A sentence that was found, and how much it is like the question, from 0.0 to 1.0."""

    line: int
    text: str
    score: float


class Reply(BaseModel):
    """An answer, and the passages it is taken from, best first."""

    answer: str
    sources: list[Passage]


class Index(chains.ChainletBase):
    """Knows all sentences, as vectors that are made once for each replica."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(predict_concurrency=4))

    def __init__(self) -> None:
        # NumPy is imported here and not above, so that only a worker that builds an index loads it.
        from chainlets.chains.retrieval.vectors import Vectors

        self._sentences = Path(SENTENCES.abs_path).read_text(encoding="utf-8").splitlines()
        self._vectors = Vectors(self._sentences)

    async def run_remote(self, query: str, count: int) -> list[Passage]:
        """The `count` sentences most like the query, best first."""
        found = await chains.offload(self._vectors.nearest, query, count)
        return [
            Passage(line=number + 1, text=self._sentences[number], score=score) for number, score in found
        ]


class Search(chains.ChainletBase):
    """Searches for each sentence of a question on its own, and merges what is found."""

    def __init__(self, index: Index = chains.depends(Index, retries=2)) -> None:
        self._index = index

    async def run_remote(self, question: str, count: int) -> list[Passage]:
        """The `count` best passages that are good enough to answer from, best first; maybe none."""
        parts = [part.strip() for part in re.split(r"[.?!;\n]+", question) if part.strip()]
        found = await asyncio.gather(*(self._index.run_remote(part, count) for part in parts))
        ranked = sorted((p for passages in found for p in passages), key=lambda p: p.score)
        best = {passage.line: passage for passage in ranked if passage.score >= ENOUGH}
        return sorted(best.values(), key=lambda p: -p.score)[:count]


@chains.mark_entrypoint("retrieval")
class Answer(chains.ChainletBase):
    """Answers a question about honey bees, and names the sentences that the answer is taken from."""

    def __init__(self, search: Search = chains.depends(Search)) -> None:
        self._search = search

    async def run_remote(self, question: str, passages: int = 3) -> Reply:
        """Quote what fits best; a language model could be asked at this place instead."""
        sources = await self._search.run_remote(question, passages)
        if not sources:
            chains.warn("Nothing in the sentences is like this question. Ask about honey bees, in English.")
            return Reply(answer="I do not know.", sources=[])
        chains.log("Found", passages=len(sources), best=sources[0].score)
        quoted = [p.text for p in sources if p.score > 0.8 * sources[0].score]
        return Reply(answer=" ".join(quoted), sources=sources)
